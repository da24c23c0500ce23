package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunDocument does what docs/run.md says, as TestRegistryDocument does: with the names and
// ports that it has, on images that are called as it calls them.
func TestRunDocument(t *testing.T) {
	t.Parallel()
	if bin := os.Getenv(onCleanMachine); bin != "" {
		m := newCleanMachine(t, bin)
		m.images()
		m.follow("../docs/run.md", runDocument)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for namespaces")
	}
	needPrograms(t, "busybox", "runc", "unshare")
	onMachineOfItsOwn(t)
}

// images are small ones under the names of the document; redis answers on its port, and app
// says who it is and what it sees.
func (m *cleanMachine) images() {
	m.t.Helper()
	m.do(`docker import rootfs.tar busybox
docker import -c 'CMD ["sh", "-c", "while :; do echo PONG | nc -l -p 6379; done"]' rootfs.tar redis
docker import -c 'CMD ["sh", "-c", "echo is ready; exec sleep 1000"]' rootfs.tar nginx
docker tag nginx postgres
docker import -c 'CMD ["sh", "-c", "ls /models /src; id -u; nslookup db; true"]' rootfs.tar app
mkdir -p models/en src; echo hello >models/en/words; tar -C models -cf models.tar .; docker import models.tar team/models:7
docker run --name make busybox sh -c 'printf "#!/bin/sh\necho made | tee made\n" >/bin/make; chmod 755 /bin/make'
docker commit make golang; docker rm make`)
}

// runDocument has a row for each command of docs/run.md, in its order.
var runDocument = []around{
	{command: "run -d --name db -p 127.0.0.1:6379:6379", after: func(m *cleanMachine) {
		m.soon("PONG", "busybox nc 127.0.0.1 6379 </dev/null")
	}},
	{command: "run --rm --network none --memory 64m", says: "hello\n"},
	{command: "run --explain", says: "pivot_root"},
	{command: "run --rm --timeline", says: "network"},
	{command: "cove run -d --name web -p 8080:80 nginx"},
	{command: "cove network create web", before: func(m *cleanMachine) { m.do("cove rm -f db; cove volume rm data") }},
	{command: "cove run -d --name db --network web postgres"},
	{command: "cove run --network web app", says: "Name:\tdb\n"},
	{command: "run volume create data; run volume ls; run volume rm data", says: "data"},
	{command: "run --rm --mount type=image,source=team/models:7", says: "words\n"},
	{command: "run --rm -v ./src:/src:O golang", says: "made\n", after: func(m *cleanMachine) { m.do("[ ! -e src/made ]") }},
	{command: "run --rm --mount type=bind,source=$PWD", says: "1000\n"},
	{command: "run cp app.conf web:/etc/app/", before: func(m *cleanMachine) {
		m.do("echo setting >app.conf; cove exec web mkdir /etc/app")
	}, after: func(m *cleanMachine) { m.says("setting", "cove exec web cat /etc/app/app.conf") }},
	{command: "run diff web", says: "A /etc/app/app.conf\n"},
	{command: "run commit", after: func(m *cleanMachine) { m.says("[web]", "cove inspect -f '{{.Config.Cmd}}' team/web:patched") }},
	{command: "run export web | tar t", says: "etc/app/app.conf\n"},
	{command: "run stats --no-stream", says: "web"},
	{command: "run -d --log-driver syslog", before: (*cleanMachine).listen, after: (*cleanMachine).hear},
	{command: "run -d --log-driver journald", skip: "it needs a journal; runner/logs/ship has a test with one"},
	{command: "cove doctor", says: "looked at"},
	{command: "cove doctor --repair", says: "looked at"},
	{command: "cove events  ", endless: true},
	{command: "cove events --since 10m", says: "container die"},
	{command: "cove events --filter", endless: true},
	{command: "podman", skip: "it is tested beside podman, in runner/oci"},
	{
		command: "run -d --name web --runtime runc nginx", before: func(m *cleanMachine) { m.do("cove rm -f web") },
		after: func(m *cleanMachine) { m.soon("is ready", "cove logs web") },
	},
	{command: "cove bundle redis", before: func(m *cleanMachine) {
		m.do(`docker import -c 'CMD ["echo", "PONG"]' rootfs.tar redis`)
	}, says: "PONG", after: func(m *cleanMachine) { m.do("cove rm -f $(cove ps -aq)") }},
}

// soon waits until a script says something.
func (m *cleanMachine) soon(want, script string) {
	m.t.Helper()
	var out []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out, _ = m.shell(script).CombinedOutput(); strings.Contains(string(out), want) {
			return
		}
	}
	m.t.Errorf("%s\nsays nothing of %q:\n%s", script, want, out)
}

// listen is a syslog server, which writes down what it hears.
func (m *cleanMachine) listen() {
	m.t.Helper()
	m.do("echo 127.0.0.1 logs.example.com >>/etc/hosts")
	conn, err := net.ListenPacket("udp", "127.0.0.1:514")
	m.must(err)
	m.t.Cleanup(func() { _ = conn.Close() })
	go func() {
		packet := make([]byte, 1<<16)
		n, _, err := conn.ReadFrom(packet)
		if err == nil {
			err = os.WriteFile(filepath.Join(m.dir, "heard"), packet[:n], 0o600)
		}
		if err != nil {
			m.t.Error(err)
		}
	}()
}

func (m *cleanMachine) hear() { m.soon("is ready", "cat heard") }
