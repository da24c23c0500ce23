"""What scripts do by docker-py, against the server in DOCKER_HOST.

Each function is one sequence and leaves nothing; it is called with a client. The first
argument is the version of the API, the second a registry, the third a root filesystem as tar.
"""

import io
import itertools
import os
import socket
import sys
import tarfile
import threading
import time
import traceback

import docker
import websocket
from docker import errors, types

BOX = "box:1"
NONE = {"network_mode": "none"}


def eq(got, want):
    if got != want:
        raise AssertionError(f"{got!r}, want {want!r}")


def has(got, want):
    if want not in got:
        raise AssertionError(f"no {want!r} in {got!r}")


def fails(kind, call, *args, **kw):
    """The error that a call ends in, which must be of a kind."""
    try:
        call(*args, **kw)
    except kind as e:
        return e
    raise AssertionError(f"{call} succeeds")


def tar_of(files):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as t:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text), 1600000000
            t.addfile(entry, io.BytesIO(text))
    return body.getvalue()


def forever(c, **kw):
    return c.containers.run(BOX, ["sleep", "1000"], detach=True, **{**NONE, **kw})


# -- system ---------------------------------------------------------------------


def system(c):
    eq(c.ping(), True)
    has(c.version(), "ApiVersion")
    eq(c.info()["OSType"], "linux")
    has(c.df(), "Images")
    eq(c.api.df()["LayersSize"] >= 0, True)
    eq(c.plugins.list(), [])
    for nouns in (c.nodes, c.services, c.secrets, c.configs):
        eq(fails(errors.APIError, nouns.list).status_code, 503)
    eq(fails(errors.APIError, c.swarm.reload).status_code, 503)


# -- images ---------------------------------------------------------------------


def images(c):
    image = c.images.get(BOX)
    eq(image.tags, [BOX])
    has([i.id for i in c.images.list()], image.id)
    eq([i.id for i in c.images.list(name="box", filters={"dangling": False})], [image.id])
    eq(c.images.list(filters={"label": "none=such"}), [])
    eq(len(image.history()) > 0, True)
    eq(image.tag("other/name", tag="t"), True)
    eq(c.images.get("other/name:t").id, image.id)
    saved = b"".join(c.images.get("other/name:t").save(chunk_size=65536, named="other/name:t"))
    c.images.remove("other/name:t")
    fails(errors.ImageNotFound, c.images.get, "other/name:t")
    loaded = c.images.load(saved)
    eq([i.id for i in loaded], [image.id])
    c.images.remove("other/name:t", noprune=True)
    has(c.api.import_image_from_data(open(ROOT, "rb").read(), repository="imported", tag="x"), "sha256:")
    c.images.remove("imported:x", force=True)
    has(c.images.prune(filters={"dangling": True}), "SpaceReclaimed")


def registry(c):
    name = f"{REGISTRY}/py/box"
    c.images.get(BOX).tag(name, tag="1")
    lines = list(c.images.push(name, tag="1", stream=True, decode=True))
    eq([line["error"] for line in lines if "error" in line], [])
    has([line["aux"]["Tag"] for line in lines if "aux" in line], "1")
    data = c.images.get_registry_data(name + ":1")
    has(data.id, "sha256:")
    eq(data.has_platform("linux/amd64"), True)
    c.images.remove(name + ":1")
    pulled = c.images.pull(name, tag="1")
    eq(pulled.tags.count(name + ":1"), 1)
    eq([i.tags.count(name + ":1") for i in c.images.pull(name, all_tags=True)], [1])
    fails(errors.NotFound, c.images.pull, name, tag="none")
    c.images.remove(name + ":1")


def build(c):
    files = {"Dockerfile": b"FROM box:1 AS first\nARG A\nRUN echo $A >/made\nFROM first AS second\nCOPY f /f\n", "f": b"x\n"}
    image, log = c.images.build(
        fileobj=io.BytesIO(tar_of(files)), custom_context=True, tag="built:1", buildargs={"A": "given"},
        labels={"by": "py"}, target="second", rm=True, forcerm=True, nocache=True, network_mode="none",
    )
    has("".join(line.get("stream", "") for line in log), "Successfully built")
    eq(image.labels["by"], "py")
    eq(c.containers.run("built:1", "cat /made /f", remove=True, **NONE), b"given\nx\n")
    broken = fails(errors.BuildError, c.images.build, fileobj=io.BytesIO(b"FROM box:1\nRUN exit 3\n"))
    has(str(broken), "3")
    fails(errors.APIError, c.images.build, fileobj=io.BytesIO(b"FORM box:1\n"))
    c.images.remove("built:1")


# -- containers -----------------------------------------------------------------


def run(c):
    eq(c.containers.run(BOX, "echo hello", remove=True, **NONE), b"hello\n")
    eq(c.containers.run(BOX, ["sh", "-c", "echo a; echo b >&2"], remove=True, stdout=False, stderr=True, **NONE), b"b\n")
    eq(b"".join(c.containers.run(BOX, "seq 3", remove=True, stream=True, **NONE)), b"1\n2\n3\n")
    bad = fails(errors.ContainerError, c.containers.run, BOX, "sh -c 'echo why >&2; exit 4'", remove=True, **NONE)
    eq((bad.exit_status, bad.stderr), (4, b"why\n"))
    fails(errors.ImageNotFound, c.containers.create, "none:such")
    fails(errors.NotFound, c.containers.run, f"{REGISTRY}/none:such", remove=True)  # it asks for it
    fails(errors.APIError, c.containers.run, BOX, "nosuchprogram", remove=True, **NONE)


def options(c):
    out = c.containers.run(
        BOX, ["sh", "-c", "echo $A $B $(pwd) $(id -u) $(hostname) $(cat /sys/class/net/lo/operstate >/dev/null && echo net);"
              "mount | grep -c ' /t '; grep -c there /etc/hosts; touch /x 2>/dev/null || echo read-only"],
        environment={"A": "1", "B": None}, working_dir="/tmp", user="5:6", hostname="named", read_only=True, tmpfs={"/t": "size=1m"},
        extra_hosts={"there": "10.9.8.7"}, init=True, mem_limit="64m", memswap_limit=-1, cpu_shares=512, pids_limit=50,
        ulimits=[types.Ulimit(name="nofile", soft=100, hard=200)], cap_drop=["ALL"], security_opt=["no-new-privileges"],
        oom_score_adj=100, shm_size="1m", sysctls={"kernel.msgmax": "1024"}, log_config=types.LogConfig(type="json-file", config={"max-size": "1m"}),
        stop_signal="SIGUSR1", group_add=["7"], ipc_mode="private", remove=True,
    )
    eq(out.decode().split(), ["1", "/tmp", "5", "named", "net", "1", "1", "read-only"])


def life(c):
    box = forever(c, name="py-life", labels={"by": "py"}, restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})
    eq(box.status, "created")
    box.reload()
    eq((box.status, box.name, box.labels["by"]), ("running", "py-life", "py"))
    eq([b.id for b in c.containers.list(filters={"label": "by=py"})], [box.id])
    eq([b.id for b in c.containers.list(filters={"label": ["by=py"], "status": "running", "name": "py-life"})], [box.id])
    eq([b.id for b in c.containers.list(sparse=True, filters={"id": box.id})], [box.id])
    eq(box.top(ps_args="-eo pid,comm")["Titles"], ["PID", "COMMAND"])
    box.pause()
    box.reload()
    eq(box.status, "paused")
    box.unpause()
    box.update(mem_limit="64m", memswap_limit="64m", restart_policy={"Name": "no"})
    box.reload()
    eq(box.attrs["HostConfig"]["Memory"], 64 << 20)
    box.rename("py-renamed")
    eq(c.containers.get("py-renamed").id, box.id)
    eq(fails(errors.APIError, c.containers.create, BOX, "true", name="py-renamed").status_code, 409)
    box.restart(timeout=0)
    box.kill(signal="SIGUSR1")
    eq(fails(errors.APIError, box.remove).status_code, 409)
    box.stop(timeout=0)
    eq(box.wait(), {"StatusCode": 137, "Error": None})
    box.start()
    box.kill()
    has(box.wait(timeout=20, condition="not-running"), "StatusCode")
    fails(errors.APIError, box.kill)
    box.remove(v=True, force=True)
    fails(errors.NotFound, c.containers.get, box.id)


def waits(c):
    box = c.containers.create(BOX, ["sh", "-c", "exit 9"], auto_remove=True, **NONE)
    told = []
    waiting = threading.Thread(target=lambda: told.append(docker_client().containers.get(box.id).wait(condition="removed")))
    waiting.start()
    time.sleep(0.3)
    box.start()
    waiting.join(20)
    eq([t["StatusCode"] for t in told], [9])


def health(c):
    box = forever(c, healthcheck=types.Healthcheck(test=["CMD", "true"], interval=200000000, retries=2, timeout=10**9))
    for _ in range(100):
        box.reload()
        if box.attrs["State"]["Health"]["Status"] == "healthy":
            break
        time.sleep(0.1)
    eq(box.attrs["State"]["Health"]["Status"], "healthy")
    box.remove(force=True)


def execs(c):
    box = forever(c)
    eq(tuple(box.exec_run("echo hi")), (0, b"hi\n"))
    eq(tuple(box.exec_run(["sh", "-c", "echo o; echo e >&2; exit 5"], demux=True)), (5, (b"o\n", b"e\n")))
    eq(b"".join(box.exec_run("seq 3", stream=True).output), b"1\n2\n3\n")
    eq([o for o in box.exec_run(["sh", "-c", "echo e >&2"], stream=True, demux=True).output], [(None, b"e\n")])
    eq(box.exec_run("sh -c 'echo $A; pwd; id -u'", environment=["A=b"], workdir="/tmp", user="5").output, b"b\n/tmp\n5\n")
    has(box.exec_run("sh -c 'test -t 1 && echo tty'", tty=True).output, b"tty")
    box.exec_run("touch /detached", detach=True)
    eq(box.exec_run("nosuch").exit_code, 127)
    made = c.api.exec_create(box.id, "cat", stdin=True)
    sock = c.api.exec_start(made["Id"], socket=True)._sock
    sock.sendall(b"through\n")
    sock.shutdown(socket.SHUT_WR)
    eq(read_all(sock)[8:], b"through\n")
    sock.close()
    eq(c.api.exec_inspect(made["Id"])["ExitCode"], 0)
    made = c.api.exec_create(box.id, "sleep 100", tty=True)
    c.api.exec_start(made["Id"], detach=True, tty=True)
    c.api.exec_resize(made["Id"], height=30, width=90)
    eq(c.api.exec_inspect(made["Id"])["Running"], True)
    eq(fails(errors.APIError, c.api.exec_start, made["Id"]).status_code, 409)
    eq(fails(errors.APIError, c.api.exec_inspect, "0" * 64).status_code, 404)
    box.stop(timeout=0)
    eq(fails(errors.APIError, box.exec_run, "true").status_code, 409)
    box.remove()


def read_all(sock):
    body = b""
    while True:
        some = sock.recv(65536)
        if not some:
            return body
        body += some


def logs(c):
    box = c.containers.run(BOX, ["sh", "-c", "echo one; echo two >&2; echo three"], detach=True, **NONE)
    box.wait()
    eq(sorted(box.logs().split()), [b"one", b"three", b"two"])
    eq(box.logs(stderr=False), b"one\nthree\n")
    eq(box.logs(stdout=False), b"two\n")
    eq(len(box.logs(tail=1).splitlines()), 1)
    has(box.logs(timestamps=True, tail=1), b"T")
    eq(b"".join(box.logs(stream=True, follow=True, stdout=False)), b"two\n")
    eq(box.logs(since=int(time.time()) + 10), b"")
    eq(box.logs(until=int(time.time()) - 1000), b"")
    box.remove()
    box = c.containers.run(BOX, ["sh", "-c", "echo first; sleep 0.5; echo last"], detach=True, **NONE)
    eq(list(box.logs(stream=True)), [b"first\n", b"last\n"])
    box.remove()


def attach(c):
    box = c.containers.create(BOX, ["sh", "-c", "echo first; read x; echo got $x; echo err >&2"], stdin_open=True, **NONE)
    sock = box.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})._sock
    out = box.attach(stream=True, demux=True)
    box.start()
    sock.sendall(b"typed\n")
    eq([b"".join(filter(None, some)) for some in zip(*list(out))], [b"first\ngot typed\n", b"err\n"])
    has(read_all(sock), b"got typed\n")
    sock.close()
    box.remove()
    box = c.containers.create(BOX, ["sh", "-c", "read x; echo got $x"], stdin_open=True, tty=True, **NONE)
    # docker-py's own cannot reach a unix socket: this is the library that it uses.
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    ws = websocket.create_connection(f"ws://localhost/containers/{box.id}/attach/ws?stdin=1&stdout=1&stream=1", socket=sock)
    box.start()
    box.resize(height=20, width=70)
    ws.send("typed\n")
    text = ""
    while "got typed" not in text:
        some = ws.recv()
        text += some.decode() if isinstance(some, bytes) else some
    ws.close()
    box.remove(force=True)


def stats(c):
    box = forever(c)
    once = box.stats(stream=False)
    eq((once["name"], once["id"]), ("/" + box.name, box.id))
    has(once, "cpu_stats")
    has(once["memory_stats"], "usage")
    for told in itertools.islice(box.stats(decode=True), 2):
        eq(told["pids_stats"]["current"] >= 1, True)
    box.remove(force=True)


def events(c):
    since = int(time.time()) - 1
    box = c.containers.create(BOX, "true", name="py-events", **NONE)
    live = docker_client().events(decode=True, filters={"container": box.id, "event": ["die", "start"]})
    threading.Timer(0.3, box.start).start()
    eq([next(live)["Action"], next(live)["status"]], ["start", "die"])
    live.close()
    box.remove()
    replayed = [e["Action"] for e in c.events(since=since, until=int(time.time()) + 1, decode=True, filters={"container": "py-events", "type": "container"})]
    eq([a for a in replayed if a in ("create", "start", "die", "destroy")], ["create", "start", "die", "destroy"])


def files(c):
    box = forever(c)
    eq(box.put_archive("/tmp", tar_of({"a": b"text of a", "d/b": b"text of b"})), True)
    chunks, stat = box.get_archive("/tmp/a", chunk_size=512)
    eq((stat["name"], stat["size"], stat["linkTarget"]), ("a", 9, ""))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as t:
        eq(t.extractfile("a").read(), b"text of a")
    chunks, _ = box.get_archive("/tmp/d")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as t:
        eq(sorted(t.getnames()), ["d", "d/b"])
    fails(errors.NotFound, box.get_archive, "/none")
    fails(errors.NotFound, box.put_archive, "/none", tar_of({"a": b""}))
    has([(d["Path"], d["Kind"]) for d in box.diff()], ("/tmp/a", 1))
    with tarfile.open(fileobj=io.BytesIO(b"".join(box.export()))) as t:
        eq(t.extractfile("tmp/d/b").read(), b"text of b")
    image = box.commit(repository="committed", tag="1", message="m", author="a", changes=["ENV A=b"], conf={"Labels": {"x": "y"}})
    eq((image.attrs["Config"]["Labels"]["x"], image.attrs["Author"]), ("y", "a"))
    has(image.attrs["Config"]["Env"], "A=b")
    c.images.remove("committed:1")
    box.remove(force=True)


# -- networks and volumes ---------------------------------------------------------


def networks(c):
    pool = types.IPAMPool(subnet=SUBNET + "0/24", gateway=SUBNET + "1")
    net = c.networks.create("py-net", driver="bridge", ipam=types.IPAMConfig(pool_configs=[pool]), labels={"by": "py"}, internal=True,
                            attachable=True, check_duplicate=True)
    eq([n.id for n in c.networks.list(names=["py-net"])], [net.id])
    eq([n.id for n in c.networks.list(filters={"label": "by=py"}, greedy=True)], [net.id])
    eq({"bridge", "host", "none"} - {n.name for n in c.networks.list()}, set())
    eq(fails(errors.APIError, c.networks.create, "py-net", check_duplicate=True).status_code, 409)
    server = c.containers.run(BOX, ["sleep", "1000"], detach=True, network="py-net")
    other = forever(c, network_mode="bridge")
    net.connect(other, aliases=["other"], ipv4_address=SUBNET + "77")
    net.reload()
    eq(sorted(b.id for b in net.containers), sorted([server.id, other.id]))
    has(server.exec_run("ping -c1 -W5 other").output.decode(), SUBNET + "77")
    other.reload()
    eq(other.attrs["NetworkSettings"]["Networks"]["py-net"]["IPAddress"], SUBNET + "77")
    eq(fails(errors.APIError, net.remove).status_code, 403)
    net.disconnect(other, force=True)
    other.remove(force=True)
    server.remove(force=True)
    net.remove()
    fails(errors.NotFound, c.networks.get, "py-net")
    c.networks.create("py-unused", labels={"prune": "me"})
    eq(c.networks.prune(filters={"label": "prune=me"})["NetworksDeleted"], ["py-unused"])


def volumes(c):
    vol = c.volumes.create(name="py-data", driver="local", labels={"by": "py"})
    eq([v.name for v in c.volumes.list(filters={"label": "by=py"})], ["py-data"])
    mounts = [types.Mount("/b", "py-data", type="volume", read_only=True), types.Mount("/t", None, type="tmpfs", tmpfs_size=1 << 20)]
    c.containers.run(BOX, "sh -c 'echo kept >/a/f'", volumes={"py-data": {"bind": "/a", "mode": "rw"}}, remove=True, **NONE)
    eq(c.containers.run(BOX, "cat /b/f", mounts=mounts, remove=True, **NONE), b"kept\n")
    eq(c.containers.run(BOX, "cat /c/f", volumes=["py-data:/c:ro"], remove=True, **NONE), b"kept\n")
    user = forever(c, volumes={"py-data": {"bind": "/a"}})
    eq(fails(errors.APIError, vol.remove).status_code, 409)
    user.remove(force=True)
    vol.remove(force=True)
    fails(errors.NotFound, c.volumes.get, "py-data")
    has(c.volumes.prune(filters={"label": "none"}), "SpaceReclaimed")


def ports(c):
    box = c.containers.run(BOX, ["sleep", "1000"], detach=True, ports={"80/tcp": ("127.0.0.1", None), "53/udp": None})
    box.reload()
    bound = box.attrs["NetworkSettings"]["Ports"]
    eq((bound["80/tcp"][0]["HostIp"], int(bound["80/tcp"][0]["HostPort"]) > 0, len(bound["53/udp"]) > 0), ("127.0.0.1", True, True))
    eq(c.api.port(box.id, 80)[0]["HostIp"], "127.0.0.1")
    box.remove(force=True)


def prune(c):
    box = c.containers.create(BOX, "true", labels={"prune": "py"}, **NONE)
    eq(c.containers.prune(filters={"label": "prune=py"})["ContainersDeleted"], [box.id])


SEQUENCES = [system, images, registry, build, run, options, life, waits, health, execs, logs, attach, stats, events, files,
             networks, volumes, ports, prune]

VERSION, REGISTRY, ROOT, SUBNET = sys.argv[1:5]


def docker_client():
    return docker.from_env(version=VERSION, timeout=50)


def main():
    client = docker_client()
    with open(ROOT, "rb") as root:
        client.api.import_image_from_data(root.read(), repository="box", tag="1")
    failed = 0
    for sequence in SEQUENCES:
        try:
            sequence(client)
        except Exception:
            failed += 1
            print(f"--- {sequence.__name__}\n{traceback.format_exc()}")
    print(f"docker-py {docker.__version__}, API {client.api.api_version}: {len(SEQUENCES) - failed} of {len(SEQUENCES)} sequences pass")
    sys.exit(failed > 0)


main()
