package create

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	engines "cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/runspec"
	"cove/errdefs"
)

func optionsOf(t *testing.T, body string) (engines.CreateOptions, error) {
	t.Helper()
	b := asked{ofImage: func(image string) *dockertypes.Config {
		if image != "bash" {
			return nil
		}
		return &dockertypes.Config{Shell: []string{"bash", "-c"}, OnBuild: []string{"RUN x"}}
	}}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return b.options()
}

func TestBodiesBecomeOptions(t *testing.T) {
	t.Parallel()
	five, swappiness := 5, uint64(10)
	for body, want := range map[string]func(o *engines.CreateOptions){
		`{}`:                       func(*engines.CreateOptions) {},
		`{"Cmd":["sh","-c","ls"]}`: func(o *engines.CreateOptions) { o.Command = []string{"sh", "-c", "ls"} },
		`{"Cmd":"ls"}`:             func(o *engines.CreateOptions) { o.Command = []string{"ls"} },
		`{"Entrypoint":["a","b"]}`: func(o *engines.CreateOptions) { o.Entrypoint = []string{"a", "b"} },
		`{"Entrypoint":null}`:      func(*engines.CreateOptions) {},
		`{"Entrypoint":[]}`:        func(*engines.CreateOptions) {},
		`{"Entrypoint":[""]}`:      func(o *engines.CreateOptions) { o.Entrypoint = []string{} },
		`{"Tty":true,"OpenStdin":true,"User":"1:2","WorkingDir":"/w","Env":["A=b"],"Hostname":"h","Domainname":"d"}`: func(o *engines.CreateOptions) {
			o.StdinStays = true
			o.TTY, o.Stdin, o.User, o.Workdir, o.Env, o.Hostname, o.Domainname = true, true, "1:2", "/w", []string{"A=b"}, "h", "d"
		},
		`{"OpenStdin":true,"StdinOnce":true}`: func(o *engines.CreateOptions) { o.Stdin = true },
		`{"StopSignal":"INT","StopTimeout":5,"Labels":{"a":"b"}}`: func(o *engines.CreateOptions) {
			o.StopSignal, o.StopTimeout, o.Labels = "INT", &five, map[string]string{"a": "b"}
		},
		`{"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Retries":2}}`: func(o *engines.CreateOptions) {
			o.Health = engines.HealthOptions{Command: "true", Interval: time.Second, Retries: 2}
		},
		`{"Healthcheck":{"Test":["CMD","a","b"]}}`: func(o *engines.CreateOptions) { o.Health.Args = []string{"a", "b"} },
		`{"Healthcheck":{"Test":["NONE"]}}`:        func(o *engines.CreateOptions) { o.Health.None = true },
		`{"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"no"}}}`: func(o *engines.CreateOptions) {
			o.AutoRemove, o.Restart = true, "no"
		},
		`{"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}}`: func(o *engines.CreateOptions) {
			o.Restart = "on-failure:3"
		},
		`{"HostConfig":{"Binds":["/a:/b:ro,z","/c:/d:delegated","vol:/e:cached,nocopy"]}}`: func(o *engines.CreateOptions) {
			o.Volumes = []runspec.Volume{
				{Source: "/a", Target: "/b", ReadOnly: true, Mode: "ro,z"},
				{Source: "/c", Target: "/d", Mode: "delegated"},
				{Source: "vol", Target: "/e", NoCopy: true, Mode: "cached,nocopy"},
			}
		},
		`{"Volumes":{"/b":{},"/x":{}},"HostConfig":{"Binds":["/a:/b"]}}`: func(o *engines.CreateOptions) {
			o.Volumes = []runspec.Volume{{Source: "/a", Target: "/b"}, {Target: "/x"}}
		},
		`{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rslave","NonRecursive":true}}]}}`: func(o *engines.CreateOptions) {
			o.Volumes = []runspec.Volume{{Source: "/a", Target: "/b", ReadOnly: true, Propagation: "rslave", NonRecursive: true, Mount: true}}
		},
		`{"HostConfig":{"Mounts":[{"Type":"volume","Target":"/b","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"}}}]}}`: func(o *engines.CreateOptions) {
			o.Volumes = []runspec.Volume{{Target: "/b", NoCopy: true, Labels: map[string]string{"a": "b"}, Mount: true}}
		},
		`{"HostConfig":{"Mounts":[{"Type":"volume","Source":"v","Target":"/b","VolumeOptions":{"Subpath":"s","DriverConfig":{"Name":"local","Options":{"type":"tmpfs"}}}}]}}`: func(o *engines.CreateOptions) {
			o.Volumes = []runspec.Volume{{Source: "v", Target: "/b", Subpath: "s", Options: map[string]string{"type": "tmpfs"}, Mount: true}}
		},
		`{"HostConfig":{"Memory":100,"MemorySwap":-1,"NanoCpus":5,"CpuShares":1,"PidsLimit":-1,"ShmSize":9,"MemorySwappiness":10,"OomKillDisable":true}}`: func(o *engines.CreateOptions) {
			o.Resources = runspec.Resources{
				Memory: 100, MemorySwap: -1, NanoCPUs: 5, CPUShares: 2, ShmSize: 9, MemorySwappiness: &swappiness, OOMKillDisable: true,
			}
		},
		`{"HostConfig":{"BlkioWeightDevice":[{"Path":"/dev/a","Weight":5}],"BlkioDeviceReadBps":[{"Path":"/dev/b","Rate":6}]}}`: func(o *engines.CreateOptions) {
			o.Resources.BlkioWeights = []runspec.DeviceRate{{Path: "/dev/a", Rate: 5}}
			o.Resources.ReadBps = []runspec.DeviceRate{{Path: "/dev/b", Rate: 6}}
		},
		`{"HostConfig":{"PidMode":"host","IpcMode":"none","CgroupnsMode":"private","Privileged":true,"CapAdd":["A"],"SecurityOpt":["no-new-privileges","seccomp={\"a\":1}"]}}`: func(o *engines.CreateOptions) {
			o.Shared = runspec.Shared{PID: "host", IPC: "none", Cgroup: "private"}
			o.Security = runspec.Security{Privileged: true, CapAdd: []string{"A"}, NoNewPrivileges: true, Seccomp: `{"a":1}`}
		},
		`{"HostConfig":{"NetworkMode":"none"}}`:    func(o *engines.CreateOptions) { o.Network = "none" },
		`{"HostConfig":{"NetworkMode":"default"}}`: func(*engines.CreateOptions) {},
		`{"NetworkDisabled":true}`:                 func(o *engines.CreateOptions) { o.Network = "none" },
		`{"HostConfig":{"ExtraHosts":["up:host-gateway"],"Dns":["1.1.1.1"]},"ExposedPorts":{"80/tcp":{}}}`: func(o *engines.CreateOptions) {
			o.AddHosts, o.DNS, o.Expose = []runspec.Host{{Name: "up", IP: "host-gateway"}}, []string{"1.1.1.1"}, []string{"80/tcp"}
		},
	} {
		full := `{"Image":"box",` + body[1:]
		if body == `{}` {
			full = `{"Image":"box"}`
		}
		got, err := optionsOf(t, full)
		expect := engines.CreateOptions{Options: runspec.Options{Image: "box", Network: "bridge"}}
		want(&expect)
		if diff := cmp.Diff(expect, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", body, err, diff)
		}
	}
}

func TestPortsAndNetworksOfBodies(t *testing.T) {
	t.Parallel()
	o, err := optionsOf(t, `{"Image":"box","HostConfig":{"NetworkMode":"app","PortBindings":{
		"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostPort":"81"}],"53/udp":[{}]}},
		"NetworkingConfig":{"EndpointsConfig":{"app":{"Aliases":["db"],"IPAMConfig":{"IPv4Address":"10.9.0.5"}},"other":{}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Ports) != 3 || o.Ports[0].ContainerPort != 53 || o.Ports[1].HostPort != 8080 || !o.Ports[1].HostIP.IsValid() || o.Ports[2].HostPort != 81 {
		t.Errorf("ports %+v", o.Ports)
	}
	if o.Network != "app" || len(o.Networks) != 2 || o.Networks[0].Aliases[0] != "db" || !o.Networks[0].IP.IsValid() || o.Networks[1].Name != "other" {
		t.Errorf("networks %s %+v", o.Network, o.Networks)
	}
	o, err = optionsOf(t, `{"Image":"box","NetworkingConfig":{"EndpointsConfig":{"app":{}}}}`)
	if err != nil || o.Network != "app" {
		t.Errorf("a network without a mode is %q, %v", o.Network, err)
	}
	o, err = optionsOf(t, `{"Image":"box","HostConfig":{"NetworkMode":"a","Links":["d:x"]},
		"NetworkingConfig":{"EndpointsConfig":{"a":{"Links":["d:x","d:y"]},"b":{"Links":["e:z"]}}}}`)
	if err != nil || len(o.Links) != 3 || o.Links[1].Alias != "y" || o.Links[2].ID != "e" {
		t.Errorf("links %+v, %v", o.Links, err)
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]error{
		`{}`: errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["a.com/b=c"]}]}}`:                                 nil,
		`{"Image":"b","HostConfig":{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}}`:                                      nil,
		`{"Image":"b","HostConfig":{"DeviceRequests":[{}]}}`:                                                                         errdefs.ErrUnsupported,
		`{"Image":"b","HostConfig":{"StorageOpt":{"size":"1G"}}}`:                                                                    errdefs.ErrUnsupported,
		`{"Image":"bash","Shell":["bash","-c"],"OnBuild":["RUN x"]}`:                                                                 nil,
		`{"Image":"bash","Shell":["sh","-c"]}`:                                                                                       errdefs.ErrUnsupported,
		`{"Image":"bash","OnBuild":["RUN y"]}`:                                                                                       errdefs.ErrUnsupported,
		`{"Image":"b","HostConfig":{"VolumeDriver":"nfs"}}`:                                                                          errdefs.ErrUnsupported,
		`{"Image":"b","Healthcheck":{"Test":["RUN","x"]}}`:                                                                           errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Binds":["/a"]}}`:                                                                                nil,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"npipe","Target":"/x"}]}}`:                                                     errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"bind","Source":"a","Target":"/x"}]}}`:                                         errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"volume","Source":"a","Target":"x"}]}}`:                                        errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"volume","Source":"a","Target":"/x","VolumeOptions":{"Subpath":"../y"}}]}}`:    errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"image","Source":"a","Target":"/x","ImageOptions":{"Subpath":"a/../../y"}}]}}`: errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"bind","Source":"/a","Target":"/x","VolumeOptions":{}}]}}`:                     errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"volume","Target":"/x","TmpfsOptions":{}}]}}`:                                  errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/x","BindOptions":{}}]}}`:                                    errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"volume","Target":"/x","ImageOptions":{}}]}}`:                                  errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"PortBindings":{"x":[{}]}}}`:                                                                     errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"SecurityOpt":["seccomp=/etc/shadow"]}}`:                                                         errdefs.ErrInvalid,
		`{"Image":"b","NetworkingConfig":{"EndpointsConfig":{"n":{"DriverOpts":{"a":"b"}}}}}`:                                        errdefs.ErrUnsupported,
		`{"Image":"b","NetworkingConfig":{"EndpointsConfig":{"n":{"IPAMConfig":{"LinkLocalIPs":["fd00::5"]}}}}}`:                     errdefs.ErrInvalid,
		`{"Image":"b","HostConfig":{"Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"nfs"}}}]}}`:    errdefs.ErrNotFound,
	} {
		if _, err := optionsOf(t, body); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", body, err, kind)
		}
	}
}

func FuzzBodies(f *testing.F) {
	f.Add(`{"Image":"b","HostConfig":{"Binds":["/a:/b"],"PortBindings":{"80/tcp":[{"HostPort":"1"}]}}}`)
	f.Add(`{"Image":"b","NetworkingConfig":{"EndpointsConfig":{"n":null}},"Healthcheck":{"Test":["CMD"]}}`)
	f.Fuzz(func(_ *testing.T, body string) {
		b := asked{ofImage: func(string) *dockertypes.Config { return nil }}
		if json.Unmarshal([]byte(body), &b) == nil {
			_, _ = b.options() // what it refuses it refuses without falling over
		}
	})
}

func TestBodiesOfCommits(t *testing.T) {
	t.Parallel()
	config := func(body string) (ocispec.ImageConfig, error) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/commit", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return Config(r)
	}
	for body, want := range map[string]ocispec.ImageConfig{
		"": {}, "null": {},
		`{"User":"u","Env":["A=b"],"Cmd":"ls","Labels":{"l":"1"},"ExposedPorts":{"80/tcp":{}},"OnBuild":null}`: {
			User: "u", Env: []string{"A=b"}, Cmd: []string{"ls"}, Labels: map[string]string{"l": "1"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
		},
	} {
		got, err := config(body)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", body, err, diff)
		}
	}
	for _, body := range []string{`{"Healthcheck":{"Test":["NONE"]}}`, `{"OnBuild":["RUN x"]}`, `{"Shell":["sh"]}`} {
		if _, err := config(body); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
