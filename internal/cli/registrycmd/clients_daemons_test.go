package registrycmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testBuildah builds from nothing, pushes, and builds from what it pushed.
func testBuildah(t *testing.T, h clientHome) {
	tool(t, "buildah")
	if os.Geteuid() != 0 {
		t.Skip("needs root: buildah's own storage")
	}
	buildah := func(verb string, args ...string) string {
		t.Helper()
		return h.run("buildah", append([]string{
			"--root", h.at("root"), "--runroot", h.at("run"), "--storage-driver", "vfs", verb,
		}, args...)...)
	}
	certs := filepath.Dir(h.write("certs/ca.crt", h.authority()))
	buildah("login", "--cert-dir", certs, "-u", "admin", "--password-stdin", h.p.Address)
	buildah("from", "--name", "first", "scratch")
	buildah("add", "-q", "first", h.write("hello", "hello\n"), "/hello")
	buildah("config", "--label", "a=b", "first")
	buildah("commit", "-q", "first", "first")
	name := h.registry("team/buildah")
	// zstd comes last: buildah remembers that a registry has a layer as zstd, takes that for
	// the next push of it, and then finds that docker's manifests cannot name it.
	for _, push := range [][]string{{"oci", "--format", "oci"}, {"docker", "--format", "v2s2"}, {"zstd", "--compression-format", "zstd"}} {
		tag, flags := push[0], push[1:]
		buildah("push", append(append([]string{"-q", "--cert-dir", certs}, flags...), "first", name+":"+tag)...)
		buildah("rm", buildah("from", "-q", "--pull-always", "--cert-dir", certs, "--name", "from-"+tag, name+":"+tag)[:len("from-"+tag)])
	}
	buildah("manifest", "create", "all", name+":oci")
	buildah("manifest", "push", "-q", "--cert-dir", certs, "--format", "oci", "--all", "all", "docker://"+name+":all")
	if _, header, _ := h.p.do("HEAD", "/v2/team/buildah/manifests/all", nil); !strings.Contains(header.Get("Content-Type"), "index") {
		t.Errorf("the list of platforms came as %q", header.Get("Content-Type"))
	}
	buildah("rmi", "-a", "-f")
}

func (h clientHome) authority() string {
	h.t.Helper()
	pem, err := os.ReadFile(h.ca)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(pem)
}

// testDaemons starts containerd and docker's daemon as Debian has them, over folders of their
// own, and has their command lines pull and push.
func testDaemons(t *testing.T, h clientHome) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers are unpacked")
	}
	ctrd, dockerd := filepath.Dir(built(t, "containerd-1.6/usr/bin/containerd")), built(t, "docker-20.10/usr/sbin/dockerd")
	dir, err := os.MkdirTemp("/tmp", "daemons-") //nolint:usetesting // the path of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	image := "team/daemons"
	h.schema2(image, "v1")
	ctrSocket := filepath.Join(dir, "c.sock")
	conf := h.write("containerd.toml", fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n"+
		"[grpc]\naddress = %q\n", filepath.Join(dir, "c-root"), filepath.Join(dir, "c-run"), ctrSocket))
	h.daemon(ctrSocket, filepath.Join(ctrd, "containerd"), "--config", conf)
	t.Run("ctr", func(t *testing.T) { testCtr(t, h.of(t), filepath.Join(ctrd, "ctr"), ctrSocket, image) })

	socket := filepath.Join(dir, "d.sock")
	h.daemon(socket, dockerd, "--containerd", ctrSocket, "-H", "unix://"+socket, "--data-root", filepath.Join(dir, "d-root"),
		"--exec-root", filepath.Join(dir, "d-run"), "--pidfile", filepath.Join(dir, "d.pid"), "--config-file", h.write("daemon.json", "{}"),
		"--storage-driver", "vfs", "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false")
	for version, path := range map[string]string{"20.10": "docker-20.10/usr/bin/docker", "28.2": "docker-28.2"} {
		t.Run("docker "+version, func(t *testing.T) { testDocker(t, h.of(t), built(t, path), socket, image) })
	}
}

// daemon starts a daemon and waits for its socket. It ends with the test.
func (h clientHome) daemon(socket, name string, args ...string) {
	h.t.Helper()
	log, err := os.Create(h.at(filepath.Base(name) + ".log"))
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = h.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it unmounts what is its own
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	h.t.Cleanup(func() { // the context is over: it was told to end
		<-ended
		_ = log.Close()
	})
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return
		}
		if time.Since(start) > time.Minute || cmd.ProcessState != nil {
			said, _ := os.ReadFile(log.Name())
			h.t.Fatalf("%s does not start: %s", name, said)
		}
	}
}

// testCtr pulls and pushes by the hosts.toml that "client-config containerd" prints.
func testCtr(t *testing.T, h clientHome, ctr, socket, image string) {
	printed := succeed(t, commandLine(t.Context(), "client-config", "containerd", h.p.Address))
	_, hosts, _ := strings.Cut(printed, "<<'EOF'\n")
	hosts, _, found := strings.Cut(hosts, "EOF\n")
	if !found {
		t.Fatalf("there is no hosts.toml in:\n%s", printed)
	}
	const system = "/etc/containerd/certs.d"
	h.write("hosts.d/"+h.p.Address+"/hosts.toml", strings.ReplaceAll(hosts, system, h.at("hosts.d")))
	h.write("hosts.d/"+h.p.Address+"/ca.crt", h.authority())
	h.env = append(h.env, "SSL_CERT_FILE=/dev/null") // what is trusted is in hosts.toml
	do := func(verb string, args ...string) string {
		t.Helper()
		return h.run(ctr, append([]string{"-a", socket, "images", verb}, args...)...)
	}
	name, access := h.registry(image), []string{"--hosts-dir", h.at("hosts.d"), "--user", "admin:" + testPassword}
	do("pull", append(access, "--snapshotter", "native", "--platform", "linux/amd64", name+":v1")...)
	do("push", append(access, h.registry("other/ctr:v1"), name+":v1")...)
	_, pulled, _ := h.p.do("HEAD", "/v2/"+image+"/manifests/v1", nil)
	_, pushed, _ := h.p.do("HEAD", "/v2/other/ctr/manifests/v1", nil)
	const dgst = "Docker-Content-Digest"
	if pulled.Get(dgst) == "" || pulled.Get(dgst) != pushed.Get(dgst) {
		t.Errorf("pulled %s, pushed %s", pulled.Get(dgst), pushed.Get(dgst))
	}
	if out, errs, err := h.try(ctr, "-a", socket, "images", "pull", "--hosts-dir", h.at("none"), "--user", "admin:"+testPassword, name+":v1"); err == nil {
		t.Errorf("without the authority: %s%s", out, errs)
	}
	do("rm", "--sync", name+":v1")
}

// testDocker signs in, pulls, pushes under another name and pulls that again. Docker verifies
// no certificate of a registry at 127.0.0.1.
func testDocker(t *testing.T, h clientHome, cli, socket, image string) {
	do := func(args ...string) string {
		t.Helper()
		return h.run(cli, append([]string{"-H", "unix://" + socket}, args...)...)
	}
	do("login", "-u", "admin", "--password-stdin", h.p.Address)
	name, other := h.registry(image)+":v1", h.registry("other/"+filepath.Base(cli))+":v1"
	do("pull", "-q", name)
	_, diffID := h.unpackable()
	h.want(do("image", "inspect", name), diffID.String())
	do("tag", name, other)
	h.want(do("push", other), "digest: sha256:")
	do("rmi", name, other)
	do("pull", "-q", other)
	h.want(do("image", "inspect", other), diffID.String())
	h.want(do("manifest", "inspect", "--insecure", other), schema2Manifest)
	do("rmi", other)
	do("logout", h.p.Address)
	if out, errs, err := h.try(cli, "-H", "unix://"+socket, "pull", name); err == nil {
		t.Errorf("without a sign-in: %s%s", out, errs)
	}
}
