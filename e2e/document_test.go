package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"cove/content/s3store/s3test"
	"cove/registry/metadata/metadatatest"
)

// onCleanMachine names the folder of the binaries for the process that has a machine
// to itself, as far as the document can see.
const onCleanMachine = "COVE_TEST_CLEAN_MACHINE"

// TestRegistryDocument does what docs/registry.md says, in its order, with the paths,
// names and ports that it has: in namespaces of mounts and of the network, where
// nobody else listens, and /etc, /var and /srv are this test's own. docker's words
// are said to cove. Only what stands around the commands is added here: the machine
// at the other end, what a user was to replace, and what must have come of it.
func TestRegistryDocument(t *testing.T) {
	t.Parallel()
	if bin := os.Getenv(onCleanMachine); bin != "" {
		newCleanMachine(t, bin).follow("../docs/registry.md", document)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for namespaces")
	}
	needPrograms(t, "docker-registry", "curl", "unshare")
	onMachineOfItsOwn(t)
}

func needPrograms(t *testing.T, all ...string) {
	t.Helper()
	for _, program := range all {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s: make deps-test installs it", program)
		}
	}
}

// onMachineOfItsOwn runs the test again in namespaces of its own.
func onMachineOfItsOwn(t *testing.T) {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "--net", "--propagation", "private",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), onCleanMachine+"="+binDir(t))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// cleanMachine is a clean one, and who sits at it.
type cleanMachine struct {
	t      *testing.T
	dir    string
	env    []string
	server *process // what the document has started, nil while nothing runs
}

// around is what stands before and after a command of the document.
type around struct {
	command string // the beginning of it
	before  func(m *cleanMachine)
	serves  bool // it stays, until it is stopped
	after   func(m *cleanMachine)
	says    string // what it has to print
	endless bool   // it goes on until it is interrupted
	skip    string // a reason
}

// document has a row for each command of docs/registry.md, in its order.
var document = []around{
	{command: "registry serve --root /srv/registry --listen :443", serves: true},
	{command: "mkdir -p /etc/docker/certs.d"},
	{command: "curl"},
	{command: "docker login"},
	{command: "docker tag", before: func(m *cleanMachine) { m.do("docker import rootfs.tar busybox") }},
	{command: "docker push", before: func(m *cleanMachine) { m.do("registry project create team --root /srv/registry") }},
	{command: "registry robot create ci"},
	{command: "registry audit list", after: func(m *cleanMachine) {
		m.says("robot.create", "registry audit list --root /srv/registry")
	}},
	{command: "helm install", skip: "it needs a cluster; deploy has a test that renders the chart"},
	{command: "registry serve --root /srv/registry …", skip: "it was started above"},
	{command: "registry import", before: func(m *cleanMachine) {
		m.oldRegistry()
		m.stop()
	}, after: func(m *cleanMachine) {
		m.run("registry serve --root /srv/registry --listen 127.0.0.1:443 --hostname registry.example.com")
		m.pull("registry.example.com/old/app:v1")
	}},
	{command: "docker exec harbor-db psql", skip: "it needs Harbor; the same is asked of tables like its"},
	{command: "registry import /data/registry --tags", before: func(m *cleanMachine) {
		m.stop()
		m.harbor()
	}, after: func(m *cleanMachine) {
		m.run("registry serve --root /srv/registry --listen 127.0.0.1:443 --hostname registry.example.com")
		m.pull("registry.example.com/team/harbored:v1")
		m.says("v1", "registry tag history team/harbored --root /srv/registry")
		m.do("! skopeo inspect --authfile $DOCKER_CONFIG/config.json docker://registry.example.com/team/harbored:deleted")
	}},
	{command: "registry proxy create hub", before: func(m *cleanMachine) {
		m.far("registry-1.docker.io", "127.0.0.2", "library", "redis:latest")
	}},
	{command: "docker pull registry.example.com/hub/redis"},
	{command: "printf", before: func(m *cleanMachine) {
		m.far("registry.berlin.example.com", "127.0.0.3", "team")
		m.do("cp /srv/registry.berlin.example.com/tls/ca.crt berlin-ca.pem")
		m.env = append(m.env, "SECRET="+secret)
	}},
	{command: "registry endpoint test berlin"},
	{command: "registry replication create releases"},
	{command: "registry replication run releases", after: func(m *cleanMachine) {
		m.says("v1", "registry tag history team/hello --root /srv/registry.berlin.example.com")
	}},
	{command: "registry backup"},
	{command: "registry restore --verify"},
	{command: "registry restore /var/backups/registry --root", before: func(m *cleanMachine) {
		m.stop()
		m.do("mv /srv/registry /srv/lost")
	}, after: func(m *cleanMachine) {
		m.run("registry serve --root /srv/registry --listen 127.0.0.1:443 --hostname registry.example.com")
		m.pull("registry.example.com/team/hello:v1")
		m.stop()
	}},
	{command: "registry restore /var/backups/registry --config", before: (*cleanMachine).shared},
	{command: "registry serve --config", serves: true, after: func(m *cleanMachine) {
		m.do("mkdir -p /srv/second && cp -a /var/lib/cove-registry/tls /var/lib/cove-registry/keys /srv/second/")
		first := m.server
		m.run("registry serve --config /etc/cove/registry.yaml --root /srv/second --listen 127.0.0.4:443")
		m.pull("registry.example.com/team/hello:v1")
		m.do("echo 127.0.0.4 registry.example.com >/etc/hosts")
		m.pull("registry.example.com/team/hello:v1")
		m.stop()
		m.server = first
		m.stop()
	}},
}

// secret is a password that the tests give to accounts of their own.
const secret = "a password of thirty characters"

// hosts are the names that the document uses, and whose machines here are.
const hosts = "127.0.0.1 localhost registry.example.com\n127.0.0.2 registry-1.docker.io\n127.0.0.3 registry.berlin.example.com\n"

func newCleanMachine(t *testing.T, bin string) *cleanMachine {
	t.Helper()
	m := &cleanMachine{t: t, dir: t.TempDir()}
	tar, err := rootfsTar()
	m.must(err)
	m.must(os.WriteFile(filepath.Join(m.dir, "rootfs.tar"), tar, 0o600))
	m.must(os.Mkdir(filepath.Join(m.dir, "bin"), 0o755))
	docker := filepath.Join(m.dir, "bin", "docker")
	m.must(os.WriteFile(docker, []byte("#!/bin/sh\nexec cove \"$@\"\n"), 0o755))
	m.env = append(os.Environ(), "PATH="+strings.Join([]string{filepath.Dir(docker), bin, os.Getenv("PATH")}, ":"),
		"HOME="+m.dir, "COVE_ROOT="+filepath.Join(m.dir, "state"), "DOCKER_CONFIG="+filepath.Join(m.dir, "docker"))
	lo, err := netlink.LinkByName("lo")
	m.must(err)
	m.must(netlink.LinkSetUp(lo))
	m.do(`mount -t tmpfs own /srv; mount -t tmpfs own /mnt
		for d in etc var; do mkdir -p /mnt/$d/up /mnt/$d/work
			mount -t overlay own -o lowerdir=/$d,upperdir=/mnt/$d/up,workdir=/mnt/$d/work /$d; done
		rm -rf /etc/docker /etc/cove /etc/containers /var/lib/cove-registry /var/backups/registry; mkdir /etc/cove`)
	m.must(os.WriteFile("/etc/hosts", []byte(hosts), 0o644))
	return m
}

func (m *cleanMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// follow does what a document says, for each command of which there is a row.
func (m *cleanMachine) follow(name string, rows []around) {
	commands := documented(m.t, name)
	for i, command := range commands {
		if i >= len(rows) || !strings.HasPrefix(command, rows[i].command) {
			m.t.Fatalf("the document says %q: give it a row of its own in the test", command)
		}
		row := rows[i]
		m.t.Logf("$ %s %s", command, row.skip)
		if row.skip != "" {
			continue
		}
		if row.before != nil {
			row.before(m)
		}
		switch {
		case row.serves:
			m.run(command)
		case row.endless:
			m.do("set +e\ntimeout 1 " + command + "\n[ $? = 124 ]")
		default:
			m.says(row.says, command)
		}
		if row.after != nil {
			row.after(m)
		}
	}
	if len(commands) != len(rows) {
		m.t.Errorf("the document has %d commands, the test %d", len(commands), len(rows))
	}
}

// documented returns the commands of a document: lines of its blocks that are
// indented, put together where they go on, without comments.
func documented(t *testing.T, name string) (all []string) {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fenced, goesOn := false, false
	for line := range strings.Lines(string(body)) {
		line = strings.TrimRight(line, "\n")
		command, indented := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || !indented:
		case goesOn:
			all[len(all)-1] += strings.TrimLeft(command, " ")
		default:
			all = append(all, command)
		}
		if goesOn = indented && strings.HasSuffix(line, `\`); goesOn {
			all[len(all)-1] = strings.TrimSuffix(all[len(all)-1], `\`)
		}
	}
	return all
}

// do has a shell do something, and returns what it said.
func (m *cleanMachine) do(script string) string {
	m.t.Helper()
	cmd := m.shell("set -eu; " + script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

func (m *cleanMachine) shell(script string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = m.dir, m.env
	return cmd
}

func (m *cleanMachine) says(want, script string) {
	m.t.Helper()
	if out := m.do(script); !strings.Contains(out, want) {
		m.t.Errorf("%s\nsays nothing of %q:\n%s", script, want, out)
	}
}

// pull pulls an image as somebody who has nothing of it yet.
func (m *cleanMachine) pull(image string) {
	m.t.Helper()
	m.do("skopeo inspect --authfile $DOCKER_CONFIG/config.json docker://" + image)
}

// process is something that stays.
type process struct {
	*exec.Cmd
	ended chan error
}

// run starts a server that stays, and waits until it listens.
func (m *cleanMachine) run(command string) {
	m.t.Helper()
	m.server = m.start(command + " --address-file $HOME/address")
	m.until(m.server, "test -s address")
	m.do("rm address")
}

// start starts something that stays until it is stopped, or the test ends.
func (m *cleanMachine) start(command string) *process {
	m.t.Helper()
	p := &process{m.shell("exec " + command), make(chan error, 1)}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Stdout, p.Stderr = os.Stderr, os.Stderr
	m.must(p.Start())
	go func() { p.ended <- p.Wait() }()
	m.t.Cleanup(func() { _ = p.Process.Kill() }) // it may have been stopped
	return p
}

// until waits until a condition holds; who has ended will not bring it about.
func (m *cleanMachine) until(p *process, condition string) {
	m.t.Helper()
	for m.shell(condition).Run() != nil {
		select {
		case err := <-p.ended:
			m.t.Fatalf("%s has ended: %v", p, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server as systemd does.
func (m *cleanMachine) stop() {
	m.t.Helper()
	m.must(m.server.Process.Signal(syscall.SIGTERM))
	m.must(<-m.server.ended)
}

// harbor is the storage of one, whose tags its database alone has; tags.tsv is what the
// document has that asked.
func (m *cleanMachine) harbor() {
	m.t.Helper()
	if err := os.Mkdir("/data", 0o755); err == nil {
		m.t.Cleanup(func() { m.do("umount /data; rmdir /data") })
	}
	m.do("mount -t tmpfs own /data")
	m.distribution("/data/registry", "team/harbored:v1", "team/harbored:deleted")
	database := metadatatest.Postgres(m.t).New(m.t)
	asked := documented(m.t, "../docs/registry.md")
	i := slices.IndexFunc(asked, func(c string) bool { return strings.HasPrefix(c, "docker exec harbor-db psql ") })
	_, ask, _ := strings.Cut(asked[i], "-d registry ")
	m.do(`digest=$(ls /data/registry/docker/registry/v2/repositories/team/harbored/_manifests/revisions/sha256)
		psql -q '` + database + `' -c "CREATE TABLE artifact (id SERIAL PRIMARY KEY, repository_name varchar(255), digest varchar(255))" \
			-c "CREATE TABLE tag (id SERIAL PRIMARY KEY, repository_id int, artifact_id int, name varchar(255))" \
			-c "INSERT INTO artifact (repository_name, digest) VALUES ('team/harbored', 'sha256:$digest')" \
			-c "INSERT INTO tag (artifact_id, name) VALUES (1, 'v1')"
		psql '` + database + `' ` + ask)
}

// oldRegistry is one of CNCF Distribution that holds an image; it is stopped.
func (m *cleanMachine) oldRegistry() {
	m.t.Helper()
	m.distribution("/var/lib/registry", "old/app:v1")
}

// distribution has one over a folder take images, and stops it.
func (m *cleanMachine) distribution(folder string, images ...string) {
	m.t.Helper()
	m.must(os.WriteFile(filepath.Join(m.dir, "old.yml"), []byte("version: 0.1\nhttp: {addr: \"127.0.0.1:5000\"}\n"+
		"storage: {filesystem: {rootdirectory: "+folder+"}}\n"), 0o600))
	old := m.start("docker-registry serve old.yml")
	m.until(old, "curl -fs http://127.0.0.1:5000/v2/")
	for _, image := range images {
		m.do("docker tag busybox 127.0.0.1:5000/" + image + "; docker push --insecure-registry 127.0.0.1:5000 127.0.0.1:5000/" + image)
	}
	m.must(old.Process.Kill())
}

// far starts another registry, at an address of its own, whose project is public.
func (m *cleanMachine) far(host, address, project string, images ...string) {
	m.t.Helper()
	near := m.server
	root := "/srv/" + host
	m.run("registry serve --root " + root + " --listen " + address + ":443 --hostname " + host)
	m.server = near
	certs := "/etc/docker/certs.d/" + strings.TrimPrefix(host, "registry-1.") // docker.io's is docker.io
	m.do("mkdir -p " + certs + "; cp " + root + "/tls/ca.crt " + certs)
	m.do("echo '" + secret + "' | registry user add robot --admin --password-stdin --root " + root)
	for _, image := range images {
		name := host + "/" + project + "/" + image
		m.do("registry project public " + project + " --root " + root + "; docker tag busybox " + name +
			"; docker login -u robot -p '" + secret + "' " + host + "; docker push " + name)
	}
}

// shared makes a database and a bucket that several servers have in common.
func (m *cleanMachine) shared() {
	m.t.Helper()
	place := s3test.Start(m.t).Config()
	text := fmt.Sprintf("listen: 127.0.0.1:443\nhostnames: [registry.example.com]\ndatabase: %q\n"+
		"storage: {s3: {endpoint: %q, bucket: %q, credentials: %q, ca: %q}}\n",
		metadatatest.Postgres(m.t).New(m.t), place.Endpoint, place.Bucket, place.Credentials, place.CA)
	m.must(os.WriteFile("/etc/cove/registry.yaml", []byte(text), 0o600))
}
