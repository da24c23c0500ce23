package runflags

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network/publish"
	"cove/runner/record"
)

func options(t *testing.T, args ...string) (containers.CreateOptions, error) {
	t.Helper()
	var f Flags
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.Options("redis", []string{"sh"})
}

func TestFlagsBecomeOptions(t *testing.T) {
	t.Setenv("FROM_HERE", "1")
	envFile := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(envFile, []byte("\ufeff# note\n\n  FILE=x y\r\nFROM_HERE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	labelFile := filepath.Join(t.TempDir(), "labels")
	if err := os.WriteFile(labelFile, []byte("a=x y\n# note\nb=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	five := 5
	base := runspec.Options{Image: "redis", Command: []string{"sh"}, Network: "bridge"}
	base.Attached = runspec.Attached{Stdout: true, Stderr: true}
	for _, tc := range []struct {
		args []string
		want func(o *containers.CreateOptions)
	}{
		{nil, func(*containers.CreateOptions) {}},
		{[]string{"--name", "db", "--rm"}, func(o *containers.CreateOptions) { o.Name, o.AutoRemove = "db", true }},
		{[]string{"-it", "-w", "/srv", "-u", "1:2"}, func(o *containers.CreateOptions) {
			o.TTY, o.Stdin, o.Workdir, o.User = true, true, "/srv", "1:2"
			o.Attached.Stdin = true
		}},
		{[]string{"--entrypoint", ""}, func(o *containers.CreateOptions) { o.Entrypoint = []string{} }},
		{[]string{"--entrypoint", "env"}, func(o *containers.CreateOptions) { o.Entrypoint = []string{"env"} }},
		{[]string{"-e", "A=b=c", "-e", "FROM_HERE", "-e", "NOT_HERE", "--env-file", envFile}, func(o *containers.CreateOptions) {
			o.Env = []string{"FILE=x y", "FROM_HERE=1", "A=b=c", "FROM_HERE=1", "NOT_HERE"}
		}},
		{[]string{"-m", "64m", "--cpus", "1.5", "--pids-limit", "9", "--shm-size", "1g"}, func(o *containers.CreateOptions) {
			o.Resources = record.Resources{Memory: 64 << 20, NanoCPUs: 1_500_000_000, PidsLimit: 9, ShmSize: 1 << 30}
		}},
		{[]string{"-v", "data", "-v", "./cache", "-v", "/a:/b:cached"}, func(o *containers.CreateOptions) {
			o.Volumes = []runspec.Volume{{Target: "/data"}, {Target: "/cache"}, {Source: "/a", Target: "/b", Mode: "cached"}}
		}},
		{[]string{"-v", "/a:/b:ro", "--tmpfs", "/run:size=1m"}, func(o *containers.CreateOptions) {
			o.Volumes = []runspec.Volume{{Source: "/a", Target: "/b", ReadOnly: true, Mode: "ro"}}
			o.Tmpfs = []record.Tmpfs{{Target: "/run", Options: []string{"size=1m"}}}
		}},
		{[]string{"-p", "80", "-p", "127.0.0.1:1:2/udp"}, func(o *containers.CreateOptions) {
			o.Ports = []publish.Port{{ContainerPort: 80}, {HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 1, ContainerPort: 2, Proto: "udp"}}
		}},
		{[]string{"-l", "a=b", "--label", "c"}, func(o *containers.CreateOptions) { o.Labels = map[string]string{"a": "b", "c": ""} }},
		{[]string{"--stop-timeout", "5", "--stop-signal", "INT"}, func(o *containers.CreateOptions) { o.StopTimeout, o.StopSignal = &five, "INT" }},
		{[]string{"--add-host", "db:10.0.0.1", "--dns", "1.1.1.1", "--hostname", "hh", "--network", "none"}, func(o *containers.CreateOptions) {
			o.AddHosts, o.DNS = []runspec.Host{{Name: "db", IP: "10.0.0.1"}}, []string{"1.1.1.1"}
			o.Hostname, o.Network = "hh", "none"
		}},
		{[]string{"--cap-add", "SYS_TIME", "--cap-drop", "ALL", "--privileged", "--security-opt", "no-new-privileges", "--read-only"}, func(o *containers.CreateOptions) {
			o.Security = record.Security{Privileged: true, CapAdd: []string{"SYS_TIME"}, CapDrop: []string{"ALL"}, NoNewPrivileges: true}
			o.ReadOnly = true
		}},
		{[]string{"--pid", "host", "--ipc", "none", "--uts", "host", "--cgroupns", "private", "--userns", "host"}, func(o *containers.CreateOptions) {
			o.Shared = record.Shared{PID: record.Host, IPC: record.NoShm, UTS: record.Host, Cgroup: record.Private, User: record.Host}
		}},
		{[]string{"--init", "--group-add", "5", "--group-add", "audio", "--cgroup-parent", "/p", "--annotation", "a=b=c"}, func(o *containers.CreateOptions) {
			o.Init, o.Groups, o.CgroupParent = true, []string{"5", "audio"}, "/p"
			o.Annotations = map[string]string{"a": "b=c"}
		}},
		{[]string{"--device", "/dev/fuse:r", "--device-cgroup-rule", "c 13:* rw"}, func(o *containers.CreateOptions) {
			o.Devices = []record.Device{{Source: "/dev/fuse", Target: "/dev/fuse", Access: "r"}}
			o.DeviceRules = []string{"c 13:* rw"}
		}},
		{[]string{
			"--blkio-weight-device", "/dev/a:10", "--device-read-bps", "/dev/a:1k", "--device-write-bps", "/dev/a:2k",
			"--device-read-iops", "/dev/a:3", "--device-write-iops", "/dev/a:4",
		}, func(o *containers.CreateOptions) {
			rate := func(n uint64) []record.DeviceRate { return []record.DeviceRate{{Path: "/dev/a", Rate: n}} }
			o.Resources = record.Resources{
				BlkioWeights: rate(10), ReadBps: rate(1024), WriteBps: rate(2048), ReadIOps: rate(3), WriteIOps: rate(4),
			}
		}},
		{[]string{"--cpu-rt-period", "1000", "--cpu-rt-runtime", "950"}, func(o *containers.CreateOptions) {
			o.Resources = record.Resources{CPURealtimePeriod: 1000, CPURealtimeRuntime: 950}
		}},
		{[]string{"-v", "./sub:/x", "--volumes-from", "db:ro", "--mount", "type=tmpfs,dst=/t", "--mount", "src=data,dst=/d,ro"}, func(o *containers.CreateOptions) {
			o.Volumes = []runspec.Volume{
				{Source: filepath.Join(here, "sub"), Target: "/x"},
				{Source: "data", Target: "/d", ReadOnly: true, Mount: true},
			}
			o.Tmpfs, o.VolumesFrom = []record.Tmpfs{{Target: "/t"}}, []string{"db:ro"}
		}},
		{[]string{"--platform", "linux/arm64/v8"}, func(o *containers.CreateOptions) {
			o.Platform = "linux/arm64/v8"
		}},
		{[]string{
			"--health-cmd", "true", "--health-interval", "1s", "--health-timeout", "2s", "--health-retries", "4",
			"--health-start-period", "1m", "--health-start-interval", "3s", "--health-on-failure", "kill", "--restart", "always",
		}, func(o *containers.CreateOptions) {
			o.Health = containers.HealthOptions{
				Command: "true", Interval: time.Second, Timeout: 2 * time.Second, Retries: 4,
				StartPeriod: time.Minute, StartInterval: 3 * time.Second, OnFailure: "kill",
			}
			o.Restart = "always"
		}},
		{[]string{"--log-driver", "local", "--log-opt", "max-size=1m", "--log-opt", "max-file=2"}, func(o *containers.CreateOptions) {
			o.LogDriver, o.LogOptions = "local", map[string]string{"max-size": "1m", "max-file": "2"}
		}},
		{[]string{"-P", "--expose", "80-81", "--domainname", "example.com", "--add-host", "up:host-gateway"}, func(o *containers.CreateOptions) {
			o.PublishAll, o.Expose, o.Domainname = true, []string{"80/tcp", "81/tcp"}, "example.com"
			o.AddHosts = []runspec.Host{{Name: "up", IP: "host-gateway"}}
		}},
		{[]string{"-a", "STDIN", "-a", "stderr"}, func(o *containers.CreateOptions) {
			o.Attached = runspec.Attached{Stdin: true, Stderr: true}
		}},
		{[]string{"--isolation", "default", "--volume-driver", "local", "--disable-content-trust"}, func(*containers.CreateOptions) {}},
		{[]string{"--no-healthcheck"}, func(o *containers.CreateOptions) { o.Health.None = true }},
		{[]string{"--label-file", labelFile, "-l", "b=flag"}, func(o *containers.CreateOptions) {
			o.Labels = map[string]string{"a": "x y", "b": "flag"}
		}},
		{[]string{"--pull", "never"}, func(o *containers.CreateOptions) { o.Pull = containers.PullNever }},
	} {
		want := containers.CreateOptions{Options: base, Pull: containers.PullMissing, Restart: "no", LogDriver: "json-file"}
		tc.want(&want)
		got, err := options(t, tc.args...)
		if err != nil {
			t.Errorf("%q: %v", tc.args, err)
			continue
		}
		got.Progress = nil
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.args, diff)
		}
	}
}

func TestFlagsRefused(t *testing.T) {
	t.Parallel()
	spaced := filepath.Join(t.TempDir(), "spaced")
	if err := os.WriteFile(spaced, []byte("A B=c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-m", "lots"},
		{"-a", "stdlog"},
		{"-m", "-1m"},
		{"--memory-swap", "-2"},
		{"--memory-swappiness", "-2"},
		{"--shm-size", "-1"},
		{"--ulimit", "nofile"},
		{"--ulimit", "=1"},
		{"--ulimit", "nofile=a:b"},
		{"--sysctl", "net.x"},
		{"--cpus", "NaN"},
		{"-e", "=x"},
		{"--env-file", spaced},
		{"--env-file", "/does/not/exist"},
		{"-l", "=x"},
		{"--pull", "sometimes"},
		{"--label-file", "/does/not/exist"},
		{"--annotation", "a"},
		{"--expose", "1:2"},
		{"--log-opt", "max-size"},
		{"--mount", "type=bind,src=/a"},
		{"--device", "fuse"},
		{"--device-read-bps", "/dev/a:fast"},
		{"--device-write-iops", "/dev/a:1k"},
		{"--blkio-weight-device", "/dev/a"},
	} {
		if _, err := options(t, args...); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", args, err)
		}
	}
}
