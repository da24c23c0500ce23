// What programs do by dockerode, against the server in DOCKER_HOST. The first argument is a
// root filesystem as tar, the second a registry.
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const { PassThrough } = require("node:stream");
const { createRequire } = require("node:module");

const load = createRequire(process.env.NODE_CLIENTS + "/");
const Docker = load("dockerode");
const tar = load("tar-stream");

const [rootfs, registry] = process.argv.slice(2);
const docker = new Docker();
const follow = (stream) =>
  new Promise((ok, no) => docker.modem.followProgress(stream, (e, all) => (e ? no(e) : ok(all))));
const text = async (stream) => {
  let out = "";
  for await (const chunk of stream) out += chunk;
  return out;
};
const fails = async (status, promise) => {
  const e = await promise.then(() => assert.fail("it succeeds"), (e) => e);
  assert.equal(e.statusCode, status, e.message);
  return e;
};
// demuxed takes frames apart.
const demuxed = async (stream) => {
  const out = new PassThrough(), err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on("end", () => (out.end(), err.end()));
  stream.on("close", () => (out.end(), err.end()));
  return Promise.all([text(out), text(err)]);
};
const none = { NetworkMode: "none" };

const sequences = {
  async system() {
    assert.equal(String(await docker.ping()), "OK");
    assert.equal((await docker.version()).ApiVersion, "1.51");
    assert.equal((await docker.info()).OSType, "linux");
    assert.ok((await docker.df()).LayersSize > 0);
  },
  // run is dockerode's own: create, attach, start, wait.
  async run() {
    const out = new PassThrough();
    const said = text(out);
    const [data, c] = await docker.run("box:1", ["sh", "-c", "echo out; exit 3"], out, { Tty: true, HostConfig: none });
    out.end();
    assert.equal(data.StatusCode, 3);
    assert.equal(await said, "out\r\n");
    await c.remove();
  },
  async attach() {
    const c = await docker.createContainer({
      Image: "box:1", Cmd: ["sh", "-c", "cat; echo end >&2"], OpenStdin: true, StdinOnce: true, AttachStdin: true,
      AttachStdout: true, AttachStderr: true, HostConfig: none,
    });
    const stream = await c.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    const said = demuxed(stream);
    await c.start();
    stream.end("typed\n");
    assert.deepEqual(await said, ["typed\n", "end\n"]);
    assert.equal((await c.wait()).StatusCode, 0);
    assert.match((await c.logs({ stdout: true, stderr: true })).toString(), /typed/);
    await c.remove();
  },
  async exec() {
    const c = await docker.createContainer({ Image: "box:1", Cmd: ["sleep", "1000"], HostConfig: none });
    await c.start();
    const e = await c.exec({ Cmd: ["sh", "-c", "cat; exit 4"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
    const stream = await e.start({ hijack: true, stdin: true });
    const said = demuxed(stream);
    stream.end("through");
    assert.deepEqual(await said, ["through", ""]);
    assert.equal((await e.inspect()).ExitCode, 4);
    const top = await c.top({ ps_args: "-eo pid,comm" });
    assert.deepEqual(top.Titles, ["PID", "COMMAND"]);
    assert.ok((await c.stats({ stream: false })).pids_stats.current > 0);
    await c.update({ Memory: 64 << 20, MemorySwap: -1 });
    assert.equal((await c.inspect()).HostConfig.Memory, 64 << 20);
    await c.pause();
    await c.unpause();
    await c.rename({ name: "dode" });
    await fails(409, docker.createContainer({ Image: "box:1", Cmd: ["true"], name: "dode" }));
    await c.restart({ t: 0 });
    await fails(409, c.remove());
    await c.kill();
    await c.remove({ force: true });
    await fails(404, c.inspect());
  },
  async files() {
    const c = await docker.createContainer({ Image: "box:1", Cmd: ["true"], HostConfig: none });
    const pack = tar.pack();
    pack.entry({ name: "f" }, "text");
    pack.finalize();
    await c.putArchive(pack, { path: "/tmp" });
    const extract = tar.extract();
    const read = new Promise((ok, no) => {
      extract.on("entry", (_, stream, next) => text(stream).then((s) => (ok(s), next()), no));
    });
    (await c.getArchive({ path: "/tmp/f" })).pipe(extract);
    assert.equal(await read, "text");
    assert.ok((await c.changes()).some((ch) => ch.Path === "/tmp/f"));
    const kept = await c.commit({ repo: "kept", tag: "1", changes: "ENV A=b" });
    assert.match(kept.Id, /^sha256:/);
    await docker.getImage("kept:1").remove();
    await c.remove();
  },
  async images() {
    await docker.getImage("box:1").tag({ repo: registry + "/team/node", tag: "1" });
    const name = registry + "/team/node:1", auth = { username: "", password: "", serveraddress: registry };
    const pushed = await follow(await docker.getImage(name).push({ authconfig: auth }));
    assert.ok(pushed.some((l) => l.aux && /^sha256:/.test(l.aux.Digest)));
    await docker.getImage(name).remove();
    const pulled = await follow(await docker.pull(name, { authconfig: auth }));
    assert.ok(pulled.some((l) => /Downloaded newer image/.test(l.status)));
    assert.equal((await docker.getImage(name).inspect()).RepoTags[0], name);
    assert.ok((await docker.getImage(name).history()).length > 0);
    assert.equal((await docker.listImages({ filters: { reference: [name] } })).length, 1);
    await follow(await docker.loadImage(await docker.getImage(name).get()));
    await docker.getImage(name).remove();
    await fails(404, docker.getImage(name).inspect());
  },
  async build() {
    const pack = tar.pack();
    pack.entry({ name: "Dockerfile" }, "FROM box:1\nARG WORD\nRUN echo $WORD >/word\nCMD cat /word\n");
    pack.finalize();
    const lines = await follow(await docker.buildImage(pack, { t: "of-node:1", buildargs: { WORD: "hello" } }));
    assert.ok(lines.some((l) => l.stream && /Successfully tagged of-node:1/.test(l.stream)), JSON.stringify(lines));
    const out = new PassThrough(), said = text(out);
    const [, c] = await docker.run("of-node:1", [], out, { Tty: true, HostConfig: none });
    out.end();
    assert.equal(await said, "hello\r\n");
    await c.remove();
    await docker.getImage("of-node:1").remove({ force: true });
  },
  async networksAndVolumes() {
    const v = await docker.createVolume({ Name: "of-node", Labels: { a: "b" } });
    const n = await docker.createNetwork({ Name: "of-node", Labels: { a: "b" } });
    const c = await docker.createContainer({
      Image: "box:1", Cmd: ["sleep", "1000"], HostConfig: { Binds: ["of-node:/v"], NetworkMode: "of-node" },
    });
    await c.start();
    assert.equal(Object.keys((await n.inspect()).Containers)[0], c.id);
    assert.equal((await c.inspect()).Mounts[0].Name, "of-node");
    await fails(409, docker.getVolume("of-node").remove());
    await n.disconnect({ Container: c.id });
    await n.connect({ Container: c.id, EndpointConfig: { Aliases: ["again"] } });
    await c.remove({ force: true, v: true });
    await n.remove();
    await docker.getVolume("of-node").remove();
    assert.equal((await docker.listVolumes({ filters: { label: ["a=b"] } })).Volumes.length, 0);
    assert.equal(v.name, "of-node");
  },
  async events() {
    const stream = await docker.getEvents({ filters: { type: ["container"], label: ["of=events"] } });
    const c = await docker.createContainer({ Image: "box:1", Cmd: ["true"], Labels: { of: "events" }, HostConfig: none });
    await c.start();
    await c.wait();
    await c.remove();
    let seen = [];
    for await (const chunk of stream) {
      seen = seen.concat(String(chunk).trim().split("\n").map((l) => JSON.parse(l).Action));
      if (seen.includes("destroy")) break;
    }
    assert.deepEqual(seen, ["create", "start", "die", "destroy"]);
  },
};

(async () => {
  await follow(await docker.importImage(fs.createReadStream(rootfs), { repo: "box", tag: "1" }));
  let failed = 0;
  for (const [name, sequence] of Object.entries(sequences)) {
    try {
      await sequence();
      console.log("ok", name);
    } catch (e) {
      failed++;
      console.log("FAILED", name, e.stack);
    }
  }
  console.log(`dockerode: ${Object.keys(sequences).length - failed} of ${Object.keys(sequences).length} sequences pass`);
  process.exit(failed ? 1 : 0);
})();
