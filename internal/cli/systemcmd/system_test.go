package systemcmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"cove/engine"
	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/images/image"
	"cove/internal/cli/output"
	"cove/runner/record"
	"cove/volume"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// usage is an image that a container is made from, with a volume and a step.
func usage() engine.DiskUsage {
	redis := listing.Image{
		Image:      image.Image{ID: digest.FromString("redis"), Created: noon.Add(-48 * time.Hour)},
		Repository: "redis", Tag: "7", Size: 116_900_000,
	}
	db := listing.Container{
		Config: record.Config{ID: strings.Repeat("a1", 32), Name: "db", Image: "redis:7", Created: noon.Add(-2 * time.Hour)},
		State:  record.State{Status: record.Running, StartedAt: noon.Add(-time.Hour)}, Command: "redis-server",
	}
	return engine.DiskUsage{
		Images:     []engine.ImageUsage{{Image: redis, Shared: 100_000_000, Containers: 1}},
		Containers: []engine.ContainerUsage{{Container: db, ContainerSize: engine.ContainerSize{RW: 1234, RootFS: 116_901_234}}},
		Volumes:    []engine.VolumeUsage{{Volume: engine.Volume{Volume: volume.Volume{Name: "data"}, Users: []string{"db"}}, Size: 5}},
		Cache:      []engine.CacheEntry{{Type: engine.CacheOfStep, ID: digest.FromString("step"), Step: "RUN make", Size: 2048, Created: noon.Add(-time.Hour), Used: noon.Add(-time.Minute)}},
		LayersSize: 116_900_000,
	}
}

func TestDiskUsage(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"": `TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
Images          1         1         116.9MB   0B (0%)
Containers      1         1         1.234kB   0B (0%)
Local Volumes   1         1         5B        0B (0%)
Build Cache     1         0         2.048kB   2.048kB
`,
		"{{.Type}}={{.Size}}": "Images=116.9MB\nContainers=1.234kB\nLocal Volumes=5B\nBuild Cache=2.048kB\n",
	} {
		var out bytes.Buffer
		if err := writeSums(&out, output.Options{Format: format}, usage()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", format, diff)
		}
	}
}

func TestDiskUsageOfEach(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"": `Images space usage:

REPOSITORY   TAG       IMAGE ID       CREATED      SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS
redis        7         IMAGE-ID----   2 days ago   117MB     100MB         16.9MB        1

Containers space usage:

CONTAINER ID   IMAGE     COMMAND          LOCAL VOLUMES   SIZE      CREATED       STATUS             NAMES
a1a1a1a1a1a1   redis:7   "redis-server"   0               1.23kB    2 hours ago   Up About an hour   db

Local Volumes space usage:

VOLUME NAME   LINKS     SIZE
data          1         5B

Build cache usage: 2.048kB

CACHE ID       CACHE TYPE   SIZE      CREATED             LAST USED            SHARED    DESCRIPTION
CACHE-ID----   regular      2.048kB   About an hour ago   About a minute ago   false     RUN make
`,
		"{{range .Containers}}{{.Names}} {{.Size}}{{end}}": "db 1.23kB\n",
	} {
		want = strings.NewReplacer("IMAGE-ID----", digest.FromString("redis").Encoded()[:12],
			"CACHE-ID----", digest.FromString("step").Encoded()[:12]).Replace(want)
		var out bytes.Buffer
		if err := writeEach(&out, output.Options{Format: format}, usage(), noon); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", format, diff)
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printInfo(&out, dockertypes.ClientVersion{Version: "v1"}, dockertypes.Info{
		Containers: 3, ContainersRunning: 1, ContainersPaused: 1, ContainersStopped: 1, Images: 2, ServerVersion: "v1",
		Driver: "overlay2", CgroupVersion: "2", KernelVersion: "6.1", OperatingSystem: "Debian", OSType: "linux",
		Architecture: "x86_64", NCPU: 2, MemTotal: 8 << 30, Name: "box", DockerRootDir: "/var/lib/cove",
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=rootless"},
		RegistryConfig: dockertypes.RegistryConfig{
			InsecureRegistryCIDRs: []string{"127.0.0.0/8"},
			IndexConfigs: map[string]dockertypes.IndexConfig{
				"docker.io": {Name: "docker.io", Secure: true, Official: true, Mirrors: []string{"http://mirror:5000"}},
				"lab:5000":  {Name: "lab:5000"},
				"quay.io":   {Name: "quay.io", Secure: true, Mirrors: []string{"https://proxy"}},
			},
		},
	})
	for _, want := range []string{
		" Containers: 3\n  Running: 1\n  Paused: 1\n  Stopped: 1\n Images: 2\n", " Storage Driver: overlay2\n", " Total Memory: 8GiB\n",
		" Security Options:\n  seccomp\n   Profile: builtin\n  rootless\n", "Client: \n Version: v1\n", "\nServer:\n Containers:",
		" Insecure Registries:\n  lab:5000\n  127.0.0.0/8\n", " Registry Mirrors:\n  http://mirror:5000\n  https://proxy (of quay.io)\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
