package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is another one, as far as ssh knows: an OpenSSH server on this.
type machine struct {
	dir  string // of files
	port int
	// control is the socket of the one connection that all commands share, so that none
	// waits for keys.
	control string
	env     []string // of who comes from here
}

// newMachine starts the server, with a root of its own and docker as a name of cove.
func newMachine(t *testing.T) machine {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil || os.Geteuid() != 0 {
		t.Skipf("this needs root and an OpenSSH server (make deps-test): %v", err)
	}
	dir, bin := t.TempDir(), binDir(t)
	short, err := os.MkdirTemp("/tmp", "m-") //nolint:usetesting // a path that fits into the address of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	m := machine{dir: dir, port: freePort(t), control: short + "/s"}
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{filepath.Join(dir, "names"), filepath.Join(dir, "here"), "/run/sshd"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(bin, "cove"), filepath.Join(dir, "names", "docker")); err != nil {
		t.Fatal(err)
	}
	write("sshd", fmt.Sprintf(`ListenAddress 127.0.0.1:%d
HostKey %s/host
AuthorizedKeysFile %s/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
SetEnv PATH=%s/names:%s:/usr/sbin:/usr/bin:/sbin:/bin COVE_ROOT=%s/root
`, m.port, dir, dir, dir, bin, dir), 0o600)
	write("known", fmt.Sprintf("[127.0.0.1]:%d %s", m.port, public), 0o600)
	write("ssh", fmt.Sprintf(`Host box
  HostName 127.0.0.1
  Port %d
Host *
  User root
  IdentityFile %s/user
  IdentitiesOnly yes
  UserKnownHostsFile %s/known
  ControlPath %s
`, m.port, dir, dir, m.control), 0o600)
	write("here/ssh", fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh \"$@\"\n", dir), 0o755)
	m.env = append(os.Environ(), "PATH="+dir+"/here:"+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+dir+"/config",
		"DOCKER_CONFIG="+dir+"/docker", "COVE_ROOT="+dir+"/nothing-here", "DIR="+dir)
	m.serve(t, sshd)
	return m
}

func (m machine) serve(t *testing.T, sshd string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(m.dir, "sshd"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out, err := exec.Command("sh", "-c", `r="--root $1/root"; ids=$(cove $r ps -aq); test -z "$ids" || cove $r rm -fv $ids;
			cove $r network prune; pkill -f -- "--root $1/root api serve"; true`, "sh", m.dir).CombinedOutput()
		if err != nil {
			t.Errorf("cleaning up: %v\n%s", err, out)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server says:\n%s", &log)
		}
	})
	for range 1200 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.port)); err == nil {
			conn.Close()
			m.connect(t)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody answers\n%s", &log)
}

// connect makes the connection that commands share.
func (m machine) connect(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/usr/bin/ssh", "-F", filepath.Join(m.dir, "ssh"), "-M", "-N", "box")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 1200 {
		if _, err := os.Stat(m.control); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("there is no connection")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// sh executes a line here.
func (m machine) sh(line string, in io.Reader) (out string, code int) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Env, cmd.Dir, cmd.Stdin = m.env, m.dir, in
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	} else if err != nil {
		return err.Error(), -1
	}
	return string(text), 0
}

// TestRemote does commands on another machine over ssh: what is typed, sent and
// answered is as here, whatever the words are.
func TestRemote(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	body, err := rootfsTar()
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "root.tar"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		line, input string
		code        int
		says        string
	}{
		{line: "cove context create box --docker host=ssh://box --description there", says: "Successfully created"},
		{line: "cove context use box", says: `Current context is now "box"`},
		{line: "cove context ls", says: `(?s)box \* +there +ssh://box.*default`},
		{line: "cove context show", says: `^box$`},
		{line: "cove import root.tar base", says: `^sha256:[0-9a-f]{64}$`},
		{line: "cove images -q --no-trunc", says: `^sha256:`},
		{line: "cove --context default images -q", says: `^$`},
		{line: fmt.Sprintf("cove -c default -H ssh://root@127.0.0.1:%d ps", m.port), code: 1, says: "exclude each other"},
		{line: fmt.Sprintf("cove -H ssh://root@127.0.0.1:%d images", m.port), says: "base"},
		{line: "COVE_HOST=ssh://box cove images", says: "base"},
		{line: "cove run --rm base sh -c 'exit 7'", code: 7},
		{line: "cove run --rm base nosuchprogram", code: 127},
		{line: `cove run --rm base printf '%s|' 'a b' '$HOME' "it's" '; touch /hacked' '' '*' '"' '\' '
'`, says: "(?s)^" + regexp.QuoteMeta("a b|$HOME|it's|; touch /hacked||*|\"|\\|\n|") + "$"},
		{line: "cove run --rm -i base cat", input: "typed", says: `^typed$`},
		{line: "cove run -d --name main base sh -c 'echo first; exec sleep 1000'", says: `^[0-9a-f]{64}$`},
		{line: "cove exec -i main sh -c 'cat; exit 3'", input: "in", code: 3, says: `^in$`},
		{line: "cove logs main", says: `^first$`},
		{line: "(cove ps -q; cat)", input: "not for ps", says: `not for ps$`},
		{line: "cove save -o saved.tar base && tar tf saved.tar", says: `manifest.json`},
		{line: "cove save -o nothing.tar nothing; c=$?; test -e nothing.tar && echo left; exit $c", code: 1, says: `(?i)^cove: .*no such image[^\n]*$`},
		{line: "cove load -i saved.tar", says: `Loaded image: base`},
		{line: "cove export -o export.tar main && tar tf export.tar", says: `bin/`},
		{line: "cove cp main:/etc - | tar t", says: `etc/`},
		{line: "cove cp root.tar main:/ && cove exec main ls -l /root.tar", says: `(?s)Successfully copied .*B to main:/\n.*/root.tar`},
		{line: "mkdir -p d/sub && echo one >d/one && echo two >d/sub/two && ln -s one d/link && chmod 640 d/one && " +
			"cove cp -q d main:/srv && cove exec main sh -c 'cd /srv; cat one sub/two link; stat -c %a:%u one'", says: `^one\ntwo\none\n640:0$`},
		{line: "cove cp -q d main:/srv && cove exec main cat /srv/d/sub/two && cove cp -q d/. main:/srv/d && cove exec main ls /srv/d", says: `^two\nlink\none\nsub$`},
		{line: "ln -s d/one l && cove cp -q l main:/asis; cove cp -qL l main:/followed; cove exec main sh -c 'readlink /asis; cat /followed'", says: `^d/one\none$`},
		{line: "cove cp main:/srv out && cat out/sub/two && stat -c %a out/one && readlink out/link", says: `(?s)Successfully copied .*kB to out\ntwo\n640\none$`},
		{line: "mkdir into && cove cp -q main:/srv into && cove cp -q main:/srv/one into/ && cove cp -q main:/srv/. into/x && ls into", says: `^one\nsrv\nx$`},
		{line: "echo old >old && cove cp -q main:/srv/one old && cat old", says: `^one$`},
		{line: "cove cp main:/srv old; c=$?; cat old; exit $c", code: 1, says: `(?s)cannot copy directory onto a file.*one$`},
		{line: "cove cp main:/srv/one no/where", code: 1, says: `no such directory: .*/no`},
		{line: "cove cp main:/nothing out; c=$?; cat out/one; exit $c", code: 1, says: `(?s)no such file or directory: /nothing\none$`},
		{line: "cove cp nothing main:/", code: 1, says: `no such file or directory: nothing`},
		{line: `printf 'A=1\nB\n# C=no\nD=old' >env && B='of here' E=secret cove run --rm --env-file env -e D=new -e E -e "F=two
lines" -e UNSET base env | sort`, says: `(?s)^A=1\nB=of here\nD=new\nE=secret\nF=two\n.*lines`},
		{line: "cove exec --env-file env main sh -c 'echo $A$D'", says: `^1old$`},
		{line: `echo team=x >labels && cove create --label-file labels --cidfile cid base true && cove inspect -f '{{.Config.Labels.team}}' $(cat cid) && cove rm $(cat cid)`, says: `\nx\n`},
		{line: "cove create --cidfile cid base true", code: 1, says: `the file exists`},
		{line: "cove run --cidfile other --rm base true", code: 1, says: `give it with --detach`},
		{line: `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >p.json &&
			cove run --rm --security-opt seccomp=p.json base mkdir /x`, code: 1, says: `not permitted`},
		{line: "cove run --rm -v ./d:/d base true", code: 1, says: `give the whole path there`},
		{line: "cove bake", code: 1, says: `docker buildx bake`},
		{line: "ls root/parcels; ls /run/cove/parcels 2>/dev/null | grep -c . >/dev/null; true", says: `^$`},
		{line: "cove ps --nope", code: 125, says: `unknown flag`},
		{line: "cove ps --help", says: `Usage:  cove ps`},
		{line: "cove -H ssh://-oProxyCommand=touch%20hacked ps; c=$?; ls; exit $c", code: 1, says: `dash|URL`},
		{line: "cove -H 'ssh://box;touch hacked' ps; c=$?; test -e hacked && echo hacked; exit $c", code: 1, says: `URL|another form|spaces`},
		{line: "cove rm -f main", says: `main`},
		{line: "cove context rm box", code: 1, says: `in use`},
		{line: "cove context export box box.ctx && cove context import two box.ctx && cove context inspect -f '{{.Endpoints.docker.Host}}' two", says: `ssh://box`},
		{line: "cove context rm -f box && cove context show", says: `default`},
	} {
		out, code := m.sh(tc.line, strings.NewReader(tc.input))
		if matched, err := regexp.MatchString(tc.says, strings.TrimSuffix(out, "\n")); code != tc.code || !matched {
			t.Errorf("%s\n  ends with %d, want %d, and says %q (%v), want %s", tc.line, code, tc.code, out, err, tc.says)
		}
	}
}

// TestRemoteBuild builds what is here on another machine: context, Dockerfile, secrets,
// agents and outputs are this side's.
func TestRemoteBuild(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	body, err := rootfsTar()
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "root.tar"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.env = append(m.env, "COVE_HOST=ssh://box")
	for _, tc := range []struct {
		line, input string
		code        int
		says        string
	}{
		{line: "cove import root.tar base", says: `^sha256:`},
		{line: `mkdir -p app/sub app/node_modules && cd app && echo hello >sub/greeting && echo big >node_modules/x && echo no >no.log && echo yes >yes.log &&
			printf 'node_modules\n*.log\n!yes.log\n' >.dockerignore && printf 'FROM base\nCOPY . /app\nRUN find /app -type f | sort && cat /app/sub/greeting\n' >Dockerfile`},
		{
			line: "cove build -t app --progress plain --iidfile iid --metadata-file meta app && cat iid meta",
			says: `(?s)/app/Dockerfile\n.*/app/sub/greeting\n.*/app/yes.log\n.*hello.*sha256:[0-9a-f]{64}.*containerimage.digest`,
		},
		{line: "cove run --rm app ls -a /app", says: `^\.\n\.\.\n(\.dockerignore\n)?Dockerfile\nsub\nyes\.log$`},
		{line: "cove build app -f nothing", code: 1, says: `there is no nothing`},
		{line: "cove build nothing", code: 1, says: `context nothing`},
		{line: `printf 'FROM base\nARG V\nRUN echo "v is $V"\nCOPY sub/greeting /from\n' >elsewhere && V=42 cove build -q -t two -f elsewhere --build-arg V app && cove run --rm two cat /from`, says: `hello$`},
		{line: "cove build --progress plain -f - app", input: "FROM base\nRUN echo typed-$((6*7))\n", says: `typed-42`},
		{line: "tar c -C app . | cove build -q -t three - && cove run --rm three cat /app/sub/greeting", says: `hello$`},
		{line: `printf 'FROM base\nRUN --mount=type=secret,id=one --mount=type=secret,id=two cat /run/secrets/one /run/secrets/two | tr a-z A-Z\n' >secrets &&
			printf of-a-file >secret && TWO=of-a-variable cove build --progress plain -f secrets --secret id=one,src=secret --secret id=two,env=TWO app`, says: `OF-A-FILEOF-A-VARIABLE`},
		{line: `printf 'FROM base\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo there is an agent\n' >agent && eval $(ssh-agent) >/dev/null &&
			cove build --progress plain -f agent --ssh default app; c=$?; kill $SSH_AGENT_PID; exit $c`, says: `there is an agent`},
		{line: "cove build -f agent --ssh default=user app", code: 1, says: `keys do not leave this machine`},
		{line: "cove build -q -o out app && cat out/app/sub/greeting && cove build -q -o type=tar,dest=out.tar app && tar tf out.tar | grep greeting", says: `hello\napp/sub/greeting$`},
		{line: "cove build -q -o - app | tar t | grep greeting", says: `^app/sub/greeting$`},
		{line: "cove build -q -o type=oci,dest=oci,tar=false app && cat oci/oci-layout", says: `imageLayoutVersion`},
		{line: `printf 'FROM base\nCOPY --from=other greeting /g\nRUN cat /g\n' >named && cove build --progress plain -f named --build-context other=app/sub app`, says: `hello`},
		{line: `printf 'FROM lay\nRUN echo on a layout\n' >lay && cove build --progress plain -f lay --build-context lay=oci-layout://oci app`, says: `on a layout`},
		{line: "cove build -q --cache-to type=local,dest=cache app && cat cache/index.json && cove build -q --no-cache --cache-from type=local,src=cache app", says: `manifests`},
		{line: "cove build -q --lock lock.json app && test -s lock.json && cove build -q --lock lock.json --locked app", says: `sha256`},
		{line: "cd app && cove build -q .", says: `sha256`},
		{line: "ls root/parcels; ls /tmp | grep cove-context-$$; true", says: `^$`},
	} {
		out, code := m.sh(tc.line, strings.NewReader(tc.input))
		if matched, err := regexp.MatchString(tc.says, strings.TrimSuffix(out, "\n")); code != tc.code || !matched {
			t.Errorf("%s\n  ends with %d, want %d, and says %q (%v), want %s", tc.line, code, tc.code, out, err, tc.says)
		}
	}
}

// TestRemoteCompose has a project of here run on another machine.
func TestRemoteCompose(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	tools := filepath.Dir(docker(t, "28.2"))
	for name, tool := range map[string]string{"docker-compose": "docker-compose", "docker-buildx": "buildx"} {
		if _, err := os.Stat(filepath.Join(tools, tool)); err != nil {
			t.Skipf("needs %s, which make deps-test brings: %v", tool, err)
		}
		plugins := filepath.Join(m.dir, "docker", "cli-plugins")
		if err := errors.Join(os.MkdirAll(plugins, 0o700), os.Symlink(filepath.Join(tools, tool), filepath.Join(plugins, name))); err != nil {
			t.Fatal(err)
		}
	}
	body, err := rootfsTar()
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "root.tar"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.env = append(m.env, "COVE_HOST=ssh://box")
	for _, tc := range []struct {
		line string
		code int
		says string
	}{
		{line: "cove import root.tar base", says: `^sha256:`},
		{line: `mkdir -p project/web && cd project && printf 'FROM base\nCOPY page /page\nCMD ["sleep", "1000"]\n' >web/Dockerfile && echo built here >web/page &&
			echo WHO=world >env && echo a secret >secret && printf 'name: far\nservices:\n  web:\n    build: web\n    init: true\n    network_mode: none\n    env_file: env\n    secrets: [one]\nsecrets:\n  one:\n    environment: ONE\n' >compose.yaml`},
		{line: "cd project && ONE=of-a-variable cove compose --progress plain up -d", says: `(?s)Started`},
		{line: "cd project && ONE=x cove compose exec -T web sh -c 'cat /page; echo $WHO; cat /run/secrets/one; exit 7'", code: 7, says: `^built here\nworld\nof-a-variable$`},
		{line: "cove ps --format '{{.Names}}'", says: `^far-web-1$`},
		{line: "cove --here ps -q", says: `^$`},
		{line: "cd project && ONE=x cove compose cp compose.yaml web:/copied && cove exec far-web-1 head -1 /copied", says: `name: far`},
		{line: "cd project && ONE=of-a-variable cove compose --progress plain up -d", says: `Running`},
		{line: "cd project && ONE=x cove compose down -t 1 && cove ps -aq", says: `Removed`},
		{line: "cove compose --help", says: `docker compose`},
	} {
		out, code := m.sh(tc.line, nil)
		if matched, err := regexp.MatchString(tc.says, strings.TrimSuffix(out, "\n")); code != tc.code || !matched {
			t.Errorf("%s\n  ends with %d, want %d, and says %q (%v), want %s", tc.line, code, tc.code, out, err, tc.says)
		}
	}
}

// TestDockerOverSSH has docker's own clients come by ssh: they execute "docker system
// dial-stdio" there for each connection, and no server was set up.
func TestDockerOverSSH(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	body, err := rootfsTar()
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "root.tar"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for version := range dockers {
		cli := docker(t, version) + " -H ssh://box "
		for _, tc := range []struct {
			line, input string
			code        int
			says        string
		}{
			{line: "version -f '{{.Server.APIVersion}}'", says: `^1\.51$`},
			{line: "import root.tar base", says: `^sha256:[0-9a-f]{64}$`},
			{line: "run --rm base sh -c 'echo out; exit 7'", code: 7, says: `^out$`},
			{line: "run --rm -i base cat", input: "typed", says: `^typed$`},
			{line: "run -d --name main base sleep 1000", says: `^[0-9a-f]{64}$`},
			{line: "exec main sh -c 'echo x; exit 3'", code: 3, says: `^x$`},
			{line: "cp root.tar main:/copied && cove -H ssh://box exec main ls /copied", says: `/copied`},
			{line: "rm -f main", says: `main`},
		} {
			out, code := m.sh(cli+tc.line, strings.NewReader(tc.input))
			if matched, err := regexp.MatchString(tc.says, strings.TrimSuffix(out, "\n")); code != tc.code || !matched {
				t.Errorf("%s: %s\n  ends with %d, want %d, and says %q (%v), want %s", version, tc.line, code, tc.code, out, err, tc.says)
			}
		}
	}
}

// TestRemoteTerminal has the size of the terminal here, also when it changes, and the
// exit code of there.
func TestRemoteTerminal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	body, err := rootfsTar()
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "root.tar"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, code := m.sh("cove -H ssh://box import root.tar base", nil); code != 0 {
		t.Fatal(out)
	}
	ours, theirs := terminal(t)
	fd := int(theirs.Fd())
	resize := func(rows, columns uint16) {
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
			t.Fatal(err)
		}
	}
	resize(31, 97)
	cmd := exec.Command("sh", "-c", `exec cove -H ssh://box run --rm -it base sh -c '
		while [ "$(stty size)" != "31 97" ]; do sleep 0.1; done; echo begins
		while [ "$(stty size)" != "12 34" ]; do sleep 0.1; done; read x; echo "got-$x"; exit 5'`)
	cmd.Env, cmd.Dir = m.env, m.dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var all []byte
		buf := make([]byte, 1024)
		for {
			n, err := ours.Read(buf)
			if all = append(all, buf[:n]...); bytes.Contains(all, []byte("begins")) && n > 0 && len(said) == 0 && !bytes.Contains(all, []byte("got-")) {
				resize(12, 34)
				_, _ = ours.WriteString("hello\n")
			}
			if err != nil || bytes.Contains(all, []byte("got-hello")) {
				said <- string(all)
				return
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("it ends with %v, want 5", err)
	}
	theirs.Close()
	if text := <-said; !strings.Contains(text, "got-hello") {
		t.Errorf("it says %q", text)
	}
}

// TestRemoteHangup ends what waits there when the connection ends.
func TestRemoteHangup(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	waits := "here events --filter label=" + m.control
	cmd := exec.Command("sh", "-c", "exec cove -H ssh://box events --filter label="+m.control)
	cmd.Env, cmd.Stdout = m.env, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(there bool) {
		t.Helper()
		for range 1200 {
			if err := exec.Command("pgrep", "-f", "^cove --"+waits).Run(); (err == nil) == there {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("the command is there: %v", !there)
	}
	await(true)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(false)
}

// TestRemoteCut: a parcel whose connection is cut, or that is interrupted, while it
// travels leaves nothing there, and is said to be that. Each command has a connection
// of its own, which ends with its ssh.
func TestRemoteCut(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.sh(`mkdir alone; printf '#!/bin/sh\nexec /usr/bin/ssh -F %s -o ControlPath=none "$@"\n' $DIR/ssh >alone/ssh; chmod 755 alone/ssh`, nil)
	m.env = append(m.env, "PATH="+filepath.Join(m.dir, "alone")+":"+filepath.Join(m.dir, "here")+":"+binDir(t)+":"+os.Getenv("PATH"))
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	if out, code := m.sh(`mkdir app; truncate -s 2G app/big; printf 'FROM scratch\nCOPY . /\n' >app/Dockerfile
		cove -H ssh://box import - box && cove -H ssh://box create --name web box true`, bytes.NewReader(body)); code != 0 {
		t.Fatal(out)
	}
	for _, tc := range []struct {
		line, says string
		code       int
		cut        func(pid int) error
	}{
		{"build -t big app", "interrupted", 130, func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }},
		{"cp app web:/", "interrupted", 130, func(pid int) error { return syscall.Kill(pid, syscall.SIGINT) }},
		{"build -t big app", "the connection ended", 1, killSSH},
		{"cp app web:/", "the connection ended", 1, killSSH},
	} {
		var out bytes.Buffer
		cmd := exec.Command(filepath.Join(binDir(t), "cove"), append([]string{"-H", "ssh://box"}, strings.Fields(tc.line)...)...)
		cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = m.env, m.dir, &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.eventually(t, "a file travels", `find root/parcels -name big | grep .`)
		if err := tc.cut(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: %d, want %d and %q:\n%s", tc.line, code, tc.code, tc.says, &out)
		}
		m.eventually(t, "nothing is left", `test -z "$(ls -A root/parcels)"`)
	}
	if out, code := m.sh(`cove -H ssh://box images -q big; cove -H ssh://box diff web`, nil); code != 0 || out != "" {
		t.Errorf("%d: there is %s", code, out)
	}
}

// killSSH kills the ssh of a command, as a line that is cut does.
func killSSH(pid int) error {
	return exec.Command("pkill", "-KILL", "-P", strconv.Itoa(pid)).Run()
}

func (m machine) eventually(t *testing.T, what, condition string) {
	t.Helper()
	for range 1200 {
		if _, code := m.sh(condition, nil); code == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, _ := m.sh("find root/parcels", nil)
	t.Fatalf("%s: not so after a minute\n%s", what, out)
}
