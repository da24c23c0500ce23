package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// guestbook is what people do with a project of services, a database among them that
// the others find by its name.
var guestbook = []step{
	{args: "version", out: `Docker Compose version`},
	{args: "config -q"},
	{args: "up -d", out: `Container guestbook-app-1 +Started`},
	{args: "up -d --wait app", out: `Container guestbook-app-1 +Healthy`},
	{args: "ps", out: `guestbook-app-1 .*\(healthy\) +127\.0\.0\.1:\d+->8080/tcp`},
	{args: "ps -a --format '{{.Name}} {{.State}} {{.ExitCode}}' tables", out: `^guestbook-tables-1 exited 0$`},
	{args: "exec -T app busybox wget -qO - http://127.0.0.1:8080/cgi-bin/guests", out: `(?s)welcome in blue and large.*Ada`},
	// What is up stays as it is, and what changed alone is made again.
	{args: "ps -q db app worker >$D/before"},
	{args: "up -d", out: `Container guestbook-app-1 +Running`},
	{args: "ps -q db app worker | cmp - $D/before >&2"},
	{args: "up -d --build", out: `guestbook-db +Built`},
	{args: "ps -q db app worker | cmp - $D/before >&2"},
	{args: "--profile debug run --rm debug", out: `^\d$`},
	{args: "run --rm -T --no-deps -e X=of-run app sh -c 'echo $X; exit 3'", code: 3, out: `^of-run$`},
	{args: "exec -T -e PGPASSWORD=not-a-secret db psql -h db -U postgres -tAc 'select 40+2'", out: `^42$`},
	{args: "exec -T app sh -c 'exit 7'", code: 7},
	{args: "exec -T app cat", input: "through\n", out: `^through$`},
	{args: "logs --no-log-prefix db", out: `ready to accept connections`},
	{args: "port app 8080", out: `^127\.0\.0\.1:\d+$`},
	{args: "images", out: `guestbook-app +dev`},
	{args: "top worker", out: `worker +2 .*sleep`},
	{args: "stats --no-stream", out: `guestbook-db-1`},
	{args: "cp app/www/index.html app:/tmp/copied"},
	{args: "cp app:/tmp/copied -", out: `the book`},
	{args: "export -o $D/app.tar app"},
	{args: "commit app kept:1", out: `Committed`},
	{args: "up -d --scale worker=3 --no-recreate", out: `guestbook-worker-3 +Started`},
	{args: "scale worker=1", out: `guestbook-worker-3 +Removed`},
	{args: "restart worker", out: `guestbook-worker-1 +Started`},
	{args: "pause worker", out: `Paused`},
	{args: "ps worker", out: `\(Paused\)`},
	{args: "unpause worker", out: `Unpaused`},
	{args: "kill -s KILL worker", out: `Killed`},
	{args: "ps -a worker", out: `Exited \(137\)`},
	{args: "start worker", out: `Started`},
	{args: "events --json --since 1h --until -2s worker", code: 1, out: `"action":"die".*"service":"worker"`},
	{args: "stop worker", out: `Stopped`},
	{args: "rm -f worker", out: `Removed`},
	{args: "ls", out: `guestbook +running\(2\)`},
	{args: "volumes", out: `guestbook_data`},
	// No registry has these images; which of them is asked for first is chance.
	{args: "config --resolve-image-digests", code: 1, out: `failed to resolve digest for`},
	{args: "up -d --force-recreate --wait app", out: `guestbook-app-1 +Healthy`},
	// The database's files outlive its container, and go with -v.
	{args: "down", out: `Network guestbook_back +Removed`},
	{args: "up -d --wait app >/dev/null 2>&1; $C exec -T app busybox wget -qO - http://127.0.0.1:8080/cgi-bin/guests", out: `(?s)Ada.*Ada`},
	{args: "down -v --rmi local --remove-orphans", out: `Volume guestbook_data +Removed`},
	{args: "ps -aq", out: `^$`},
}

// everything looks at what attributes of services become.
var everything = []step{
	{args: "up -d --quiet-pull", out: `everything-b-1 +Started`},
	{args: "up -d", out: `everything-b-1 +Running`},
	{args: "exec -T a hostname", out: `^ahost$`},
	{args: "exec -T a cat /etc/resolv.conf", out: `(?s)search x\.example.*options ndots:2`},
	{args: "exec -T a cat /etc/hosts", out: `^10\.1\.2\.3\s+somehost$`},
	{args: "exec -T a grep host.docker.internal /etc/hosts", out: `^10\.75\.8\.1\s`},
	{args: "exec -T a cat /run/secrets/s1 /c1 /tmp/s2 /tmp/hook", out: `^onetext onetwo\nhooked$`},
	{args: "exec -T a sh -c 'id; ulimit -n; cat /proc/sys/net/core/somaxconn /proc/1/oom_score_adj; grep -c . /dev/xnull'", code: 1, out: `(?s)uid=1001.*,?5.*\n100\n512\n100\n0`},
	{args: "exec -T a ip addr", out: `(?s)02:42:ac:11:65:43.*10\.75\.8\.7/24`},
	{args: "exec -T a touch /bound/x", code: 1, out: `Read-only`},
	{args: "exec -T -u 0 a sh -c 'df -k /small /t | tail -2; ls /z /bound'", out: `(?s)\s1024 .*\s1024 .*file.*file`},
	{args: "exec -T a grep -E 'NoNewPrivs|^Seccomp:' /proc/self/status", out: `NoNewPrivs:\s1\nSeccomp:\s0`},
	{args: "exec -T b sh -c 'ps; ls -d /v /z'", out: `(?s)1 app +sleep 1000.*/z`},
	{args: "exec -T b touch /x", code: 1, out: `Read-only`},
	{args: "exec -T c nslookup dee", out: `10\.75\.8\.\d+`},
	{args: "exec -T c nslookup other", out: `10\.75\.8\.7`},
	{args: "exec -T e ip -o link", out: `^1: lo`},
	{args: "exec -T f ip -o link", out: `covecompose0`},
	{args: "port d 9001", out: `^127\.0\.0\.1:29171$`},
	{args: "port --protocol udp d 8082", out: `^127\.0\.0\.1:\d+$`},
	{args: "down -v", out: `Network named-n2 +Removed`},
}

// blog is WordPress with the MySQL that Debian has, installed by its own page.
var blog = []step{
	{args: "up -d --build --wait", out: `Container wordpress-web-1 +Healthy`},
	{args: "ps", out: `wordpress-web-1 .*\(healthy\) +127\.0\.0\.1:\d+->8080/tcp`},
	{args: "exec -T web curl -sf -d 'weblog_title=Of+cove&user_name=ada&admin_password=not-a-secret&admin_password2=not-a-secret&pw_weak=on&admin_email=ada@example.org&blog_public=0' " +
		"'http://127.0.0.1:8080/wp-admin/install.php?step=2'", out: `Success!`},
	{args: "exec -T web curl -sf http://127.0.0.1:8080/", out: `<title>Of cove</title>`},
	{args: `exec -T db sh -c 'mysql -h mysql -u wordpress -p"$(cat /run/secrets/db_password)" -N -e "select user_login from wp_users" wordpress'`, out: `^ada$`},
	{args: "ps -q >$D/before"},
	{args: "up -d", out: `Container wordpress-web-1 +Running`},
	{args: "ps -q | cmp - $D/before >&2"},
	// Whoever waits for the database's health is started again with it.
	{args: "restart db", out: `Container wordpress-web-1 +Restart`},
	{args: "up -d --wait", out: `Container wordpress-web-1 +Healthy`},
	{args: "down", out: `Network wordpress_back +Removed`},
	{args: "up -d --wait", out: `Container wordpress-web-1 +Healthy`},
	{args: "exec -T web curl -sf http://127.0.0.1:8080/", out: `<title>Of cove</title>`},
	{args: "down -v --rmi local", out: `Volume wordpress_data +Removed`},
	{args: "ps -aq", out: `^$`},
}

// TestComposeWithMySQL has a project whose images are made of many packages.
func TestComposeWithMySQL(t *testing.T) {
	onlySoaked(t)
	base, err := debianBase()
	if err != nil {
		t.Fatal(err)
	}
	s := serveAPI(t)
	s.patience = 20 * time.Minute
	compose := composeHome(t, s)
	dir := filepath.Join(t.TempDir(), "wordpress")
	if err := os.CopyFS(dir, os.DirFS("testdata/compose/wordpress")); err != nil {
		t.Fatal(err)
	}
	if out, err := s.run(t.Context(), "", "cove import "+base+" debian"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := runSteps(t, s, blog, strings.NewReplacer("$D", t.TempDir()), "cd "+dir+" && "+compose)
	t.Logf("compose with MySQL: %d of %d commands pass", passed, len(blog))
}

// composeHome gives a served cove docker's compose and buildx as plugins of docker.
func composeHome(t *testing.T, s served) (compose string) {
	t.Helper()
	cli := docker(t, "28.2")
	for name, tool := range map[string]string{"docker-compose": "docker-compose", "docker-buildx": "buildx"} {
		path := filepath.Join(filepath.Dir(cli), tool)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("needs %s, which make deps-test brings: %v", tool, err)
		}
		plugins := filepath.Join(s.config, "cli-plugins")
		if err := errors.Join(os.MkdirAll(plugins, 0o700), os.Symlink(path, filepath.Join(plugins, name))); err != nil {
			t.Fatal(err)
		}
	}
	return cli + " compose --ansi never --progress plain"
}

// TestComposeDrivesCove has docker's own compose do what people do with projects.
func TestComposeDrivesCove(t *testing.T) {
	for name, steps := range map[string][]step{"guestbook": guestbook, "everything": everything} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveAPI(t)
			compose := composeHome(t, s)
			s.env = append(s.env, "SECRET_ONE=one")
			dir := project(t, s, name)
			passed := runSteps(t, s, steps, strings.NewReplacer("$D", t.TempDir(), "$C", compose), "cd "+dir+" && "+compose)
			t.Logf("compose: %d of %d commands pass", passed, len(steps))
		})
	}
}

// TestComposeInTheForeground shows what services print till it is interrupted, stops
// them then, and does what is watched for meanwhile.
func TestComposeInTheForeground(t *testing.T) {
	t.Parallel()
	s := serveAPI(t)
	compose, dir := composeHome(t, s), project(t, s, "guestbook")
	var out lockedBuffer
	cmd := exec.Command("sh", "-c", "exec "+compose+" up --watch")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, s.env, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shows := func(what string, does func() string) {
		t.Helper()
		for range 300 {
			if strings.Contains(does(), what) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Errorf("never %q:\n%s", what, does())
	}
	shows("Watch enabled", out.String)
	shows("tick", out.String)
	page := func() string {
		got, _ := s.run(t.Context(), "", "cd "+dir+" && "+compose+
			" exec -T app sh -c 'echo $EDITION; exec busybox wget -qO - http://127.0.0.1:8080/'")
		return got
	}
	shows("the book", page)
	if err := os.WriteFile(filepath.Join(dir, "app/www/index.html"), []byte("another edition"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows("another edition", page)
	dockerfile := filepath.Join(dir, "app/Dockerfile")
	body, err := os.ReadFile(dockerfile)
	if err := errors.Join(err, os.WriteFile(dockerfile, append(body, "ENV EDITION=rebuilt\n"...), 0o600)); err != nil {
		t.Fatal(err)
	}
	shows("rebuilt", page)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("the exit code after ctrl-c is %v, want 130\n%s", err, out.String())
	}
	left, err := s.run(t.Context(), "", "cd "+dir+" && "+compose+" ps -q && "+compose+" down -v >/dev/null 2>&1")
	if err != nil || left != "" {
		t.Errorf("after ctrl-c: %v: running: %s", err, left)
	}
}

// project copies a project of testdata, and makes the images that it builds on.
func project(t *testing.T, s served, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata/compose", name))); err != nil {
		t.Fatal(err)
	}
	box, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	machine, path, err := machineTar()
	if err != nil {
		t.Skipf("needs PostgreSQL and busybox, which make deps-test brings: %v", err)
	}
	for line, body := range map[string][]byte{
		"cove import - box:1": box, "cove import -c 'ENV PATH=" + path + "' - machine:1": machine,
	} {
		if out, err := s.run(t.Context(), string(body), line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return dir
}

// machineTar is the image of those projects that use this machine's own programs: the
// links to them, and who there is.
func machineTar() (body []byte, path string, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err == nil && len(found) == 0 {
		err = os.ErrNotExist
	}
	if err != nil {
		return nil, "", err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(hdr tar.Header, body string) {
		hdr.Size = int64(len(body))
		err = errors.Join(err, w.WriteHeader(&hdr))
		_, writeErr := w.Write([]byte(body))
		err = errors.Join(err, writeErr)
	}
	for d := range strings.FieldsSeq("dev etc proc root run sys usr/bin usr/lib usr/lib64 usr/sbin usr/share var") {
		add(tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755}, "")
	}
	for d := range strings.FieldsSeq("bin lib lib64 sbin") {
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: d, Linkname: "usr/" + d, Mode: 0o777}, "")
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, "")
	add(tar.Header{Typeflag: tar.TypeDir, Name: "var/lib/postgresql/", Mode: 0o700, Uid: 999, Gid: 999}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644},
		"root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/group", Mode: 0o644}, "root:x:0:\npostgres:x:999:\n")
	return buf.Bytes(), filepath.Dir(found[0]) + ":/usr/bin:/usr/sbin", errors.Join(err, w.Close())
}

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
