package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// lab is where the engines live during a run: their state, their servers, and
// the variables that rows name in command lines.
type lab struct {
	work    string // state that is thrown away
	vars    map[string]string
	servers []*exec.Cmd
	ends    []func(context.Context, *lab) error // what rows leave for close to undo
}

// The peers, each with its own root and with limits that root without
// CAP_SYS_RESOURCE can give.
const (
	podmanConf = `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "cni"
`
	dockerConf = `{"default-ulimits":{"nofile":{"Name":"nofile","Soft":1024,"Hard":4096}},"insecure-registries":["127.0.0.0/8"]}`
)

// newLab prepares the namespaces and starts the servers. It runs inside them.
func newLab(ctx context.Context, cache string) (*lab, error) {
	work, err := os.MkdirTemp("", "cove-bench-")
	if err != nil {
		return nil, err
	}
	bin, err := filepath.Abs("bin")
	if err != nil {
		return nil, err
	}
	l := &lab{work: work, vars: map[string]string{"WORK": work, "CACHE": cache, "BIN": bin}}
	l.vars["PODMAN"] = fmt.Sprintf("env CONTAINERS_CONF=%[1]s/podman.conf podman --root %[1]s/podman --runroot %[1]s/podman-run --storage-driver overlay --runtime /usr/bin/runc", work)
	l.vars["BUILDAH"] = fmt.Sprintf("env CONTAINERS_CONF=%[1]s/podman.conf buildah --root %[1]s/podman --runroot %[1]s/podman-run --storage-driver overlay", work)
	l.vars["DOCKER"] = fmt.Sprintf("/usr/bin/docker -H unix://%s/docker.sock", work)
	l.vars["COVE"] = fmt.Sprintf("%s/cove --root %s/cove", bin, work)
	steps := []func(context.Context, *lab) error{
		shell(`mount --make-rprivate /; ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; ip link set lo up`),
		write("podman.conf", podmanConf), write("docker.json", dockerConf),
		shell(`mkdir -p $WORK/rootfs && tar -C $WORK/rootfs -xf $CACHE/base.tar`),
		bundle("plain", false), bundle("seccomp", true),
		startDocker,
	}
	for _, step := range steps {
		if err := step(ctx, l); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l *lab) variable(name string) string {
	if v, ok := l.vars[name]; ok {
		return v
	}
	return os.Getenv(name)
}

func write(name, body string) func(context.Context, *lab) error {
	return func(_ context.Context, l *lab) error {
		return os.WriteFile(filepath.Join(l.work, name), []byte(body), 0o644)
	}
}

// bundle writes an OCI bundle that runs /bin/true on the shared root.
func bundle(name string, withSeccomp bool) func(context.Context, *lab) error {
	return func(ctx context.Context, l *lab) error {
		dir := filepath.Join(l.work, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := exec.CommandContext(ctx, "runc", "spec", "--bundle", dir).Run(); err != nil {
			return fmt.Errorf("runc spec: %w", err)
		}
		path := filepath.Join(dir, "config.json")
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var spec specs.Spec
		if err := json.Unmarshal(body, &spec); err != nil {
			return err
		}
		spec.Process.Terminal, spec.Process.Rlimits = false, nil
		spec.Process.Args = []string{"/bin/true"}
		spec.Root = &specs.Root{Path: filepath.Join(l.work, "rootfs")}
		if withSeccomp {
			if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(&spec); err != nil {
				return err
			}
		}
		if body, err = json.Marshal(spec); err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return err
		}
		spec.Process.Args = []string{"/bin/sleep", "10000"}
		if body, err = json.Marshal(spec); err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(dir+"-sleep", 0o755), os.WriteFile(filepath.Join(dir+"-sleep", "config.json"), body, 0o644))
	}
}

func startDocker(ctx context.Context, l *lab) error {
	socket := filepath.Join(l.work, "docker.sock")
	if err := l.serve(ctx, "dockerd", "--config-file", l.work+"/docker.json", "--data-root", l.work+"/docker",
		"--exec-root", l.work+"/docker-run", "-p", l.work+"/docker.pid", "-H", "unix://"+socket); err != nil {
		return err
	}
	return await("unix", socket)
}

// serve starts a server that close will end.
func (l *lab) serve(ctx context.Context, name string, args ...string) error {
	log, err := os.Create(filepath.Join(l.work, filepath.Base(name)+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "COVE_ADMIN_PASSWORD="+password, "OTEL_TRACES_EXPORTER=none")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	l.servers = append(l.servers, cmd)
	return nil
}

func await(network, address string) error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var conn net.Conn
		if conn, err = net.Dial(network, address); err == nil {
			return conn.Close()
		}
	}
	return err
}

func (l *lab) close() error {
	var errs []error
	for _, end := range l.ends {
		errs = append(errs, end(context.Background(), l))
	}
	for _, s := range l.servers {
		_ = s.Process.Signal(syscall.SIGTERM) // one that ended by itself is fine
		_ = s.Wait()
	}
	// What the engines mounted goes first, or removing would reach into it.
	_ = exec.Command("sh", "-c", "awk -v w="+l.work+" 'index($2, w) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r umount -l").Run()
	return errors.Join(append(errs, os.RemoveAll(l.work))...)
}
