// node bundle.js FOLDER OUT: the model and the weights in the bundles of npm nsfwjs, as model.json and shard files.
// A bundle is a script that leaves a value in module.exports; it runs in a context that has nothing else.
const fs = require('fs'), path = require('path'), vm = require('vm');
const [folder, out] = process.argv.slice(2);

function valueOf(file) {
  const module = { exports: {} };
  vm.runInNewContext(fs.readFileSync(path.join(folder, file), 'utf8'), { module, exports: module.exports });
  return module.exports.default || module.exports;
}

let model = valueOf('model.min.js');
if (typeof model === 'string') model = JSON.parse(Buffer.from(model, 'base64').toString());
fs.mkdirSync(out, { recursive: true });
for (const group of model.weightsManifest)
  for (const shard of group.paths)
    fs.writeFileSync(path.join(out, path.basename(shard)), Buffer.from(valueOf(shard + '.min.js'), 'base64'));
fs.writeFileSync(path.join(out, 'model.json'), JSON.stringify(model));
