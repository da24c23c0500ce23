// Fills dist/: `node build.mjs MODULES`, where MODULES is a node_modules with the
// packages of package.json. Every asset gets a .br and a .gz beside it, and
// sums.json says of which bytes, so that nothing stale is ever served.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = import.meta.dirname;
const dist = join(here, "dist");
const [modules] = process.argv.slice(2);
if (!modules) {
  console.error("usage: node build.mjs MODULES");
  process.exit(2);
}

for (const name of readdirSync(dist)) {
  if (name !== "README.md") rmSync(join(dist, name));
}

const htmx = readFileSync(join(modules, "htmx.org/dist/htmx.min.js"));
writeFileSync(join(dist, "htmx.js"), htmx);

const sums = {};
const assets = [["htmx.js", htmx]];
for (const name of readdirSync(join(here, "assets"))) {
  assets.push([name, readFileSync(join(here, "assets", name))]);
}
for (const [name, body] of assets) {
  sums[name] = createHash("sha256").update(body).digest("hex");
  writeFileSync(join(dist, name + ".gz"), gzipSync(body, { level: 9 }));
  writeFileSync(join(dist, name + ".br"), brotliCompressSync(body, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  }));
}
writeFileSync(join(dist, "sums.json"), JSON.stringify(sums));
