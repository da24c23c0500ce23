package lists

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"cove/engine"
	"cove/engine/dockertypes"
	engineimages "cove/engine/images"
	"cove/engine/listing"
	"cove/engine/networks"
	"cove/engine/stats"
	"cove/images/image"
	"cove/network/publish"
	"cove/runner/record"
	"cove/volume"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.Local)

func redis() listing.Container {
	c := listing.Container{
		Config: record.Config{
			ID: strings.Repeat("a1", 32), Name: "db", Image: "redis:7", ImageID: "sha256:" + strings.Repeat("b2", 32),
			Platform: "linux/arm64", Created: noon.Add(-2 * time.Hour), Labels: map[string]string{"com.example.team": "x", "a": "b"},
			Mounts: []record.Mounted{
				{Type: record.MountVolume, Name: strings.Repeat("v", 20), Target: "/data"},
				{Type: record.MountBind, Source: "/srv", Target: "/www"},
			},
		},
		State:   record.State{Status: record.Running, StartedAt: noon.Add(-time.Hour)},
		Command: `docker-entrypoint.sh "x"`,
	}
	c.State.Network.Ports = []publish.Port{{HostPort: 6379, ContainerPort: 6379}}
	return c
}

func listed() listing.Image {
	return listing.Image{
		Image:      image.Image{ID: digest.FromString("redis"), Created: noon.Add(-48 * time.Hour)},
		Repository: "redis", Tag: "7", Size: 116_912_345,
	}
}

// TestRowsHaveDockersKeys compares whole rows, as docker 20.10 to 28 print them with
// --format json.
func TestRowsHaveDockersKeys(t *testing.T) {
	t.Parallel()
	o := Options{Now: noon}
	local := func(t time.Time) string { return t.Format("2006-01-02 15:04:05 -0700 MST") }
	for name, tt := range map[string]struct {
		row  any
		want string
	}{
		"ps": {OfContainer(redis(), o), `{"Command":"\"docker-entrypoint.s…\"","CreatedAt":"` + local(noon.Add(-2*time.Hour)) + `",
			"ID":"a1a1a1a1a1a1","Image":"redis:7","Labels":"a=b,com.example.team=x","LocalVolumes":"1",
			"Mounts":"vvvvvvvvvvvvvv…,/srv","Names":"db","Networks":"bridge","Ports":"0.0.0.0:6379->6379/tcp",
			"Platform":"linux/arm64","RunningFor":"2 hours ago","Size":"0B","State":"running","Status":"Up About an hour"}`},
		"images": {OfImage(listed(), o), `{"Containers":"N/A","CreatedAt":"` + local(noon.Add(-48*time.Hour)) + `",
			"CreatedSince":"2 days ago","Digest":"<none>","ID":"` + digest.FromString("redis").Encoded()[:12] + `","Repository":"redis",
			"SharedSize":"N/A","Size":"117MB","Tag":"7","UniqueSize":"N/A","VirtualSize":"116.9MB"}`},
		"image usage": {OfImageUsage(engine.ImageUsage{Image: listed(), Shared: 100_000_000, Containers: 2}, o), `{"Containers":"2",
			"CreatedAt":"` + local(noon.Add(-48*time.Hour)) + `","CreatedSince":"2 days ago","Digest":"<none>",
			"ID":"` + digest.FromString("redis").Encoded()[:12] + `","Repository":"redis","SharedSize":"100MB","Size":"117MB","Tag":"7",
			"UniqueSize":"16.91MB","VirtualSize":"116.9MB"}`},
		"history": {
			OfHistory(engineimages.Step{Created: noon.Add(-time.Hour), CreatedBy: "RUN\tmake", Size: 1234}, false, o),
			`{"Comment":"","CreatedAt":"` + noon.Add(-time.Hour).Format(time.RFC3339) + `","CreatedBy":"RUN make",
			"CreatedSince":"About an hour ago","ID":"<missing>","Size":"1.23kB"}`,
		},
		"stats": {OfStats(stats.Sample{
			ID: strings.Repeat("a1", 32), Name: "db", CPUPercent: 1.234, Memory: 1 << 20, Limit: 1 << 30,
			MemoryPercent: 0.1, Received: 1234, Pids: 3,
		}, o), `{"BlockIO":"0B / 0B","CPUPerc":"1.23%","Container":"a1a1a1a1a1a1",
			"ID":"a1a1a1a1a1a1","MemPerc":"0.10%","MemUsage":"1MiB / 1GiB","Name":"db","NetIO":"1.23kB / 0B","PIDs":"3"}`},
		"search": {
			OfFound(engineimages.Found{Name: "redis", Description: "in\nmemory", Stars: 3, Official: true}, o),
			`{"Description":"in memory","IsAutomated":"","IsOfficial":"[OK]","Name":"redis","StarCount":"3"}`,
		},
		"volume ls": {
			OfVolume(engine.Volume{Volume: volume.Volume{Name: "data", Labels: map[string]string{"a": "b"}}, Path: "/v/data"}),
			`{"Availability":"N/A","Driver":"local","Group":"N/A","Labels":"a=b","Links":"N/A","Mountpoint":"/v/data","Name":"data",
			"Scope":"local","Size":"N/A","Status":"N/A"}`,
		},
		"volume usage": {
			OfVolumeUsage(engine.VolumeUsage{Volume: engine.Volume{Volume: volume.Volume{Name: "data"}, Users: []string{"db"}}, Size: 5}),
			`{"Availability":"N/A","Driver":"local","Group":"N/A","Labels":"","Links":"1","Mountpoint":"","Name":"data",
			"Scope":"local","Size":"5B","Status":"N/A"}`,
		},
		"network ls": {
			OfNetwork(networks.Network{Network: dockertypes.Network{
				Name: "web", ID: strings.Repeat("c3", 32), Driver: "bridge",
				Scope: "local", EnableIPv4: true, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			}}, o),
			`{"CreatedAt":"2026-01-02 03:04:05.000000006 +0000 UTC","Driver":"bridge","ID":"c3c3c3c3c3c3","IPv4":"true","IPv6":"false",
			"Internal":"false","Labels":"","Name":"web","Scope":"local"}`,
		},
		"system df": {
			OfUsage(engine.Usage{Type: "Images", Total: 5, Active: 1, Size: 16_430_000, Reclaimable: 11_630_000}),
			`{"Active":"1","Reclaimable":"11.63MB (70%)","Size":"16.43MB","TotalCount":"5","Type":"Images"}`,
		},
		"system df of nothing": {
			OfUsage(engine.Usage{Type: "Containers"}),
			`{"Active":"0","Reclaimable":"0B","Size":"0B","TotalCount":"0","Type":"Containers"}`,
		},
		"system df of the cache": {
			OfUsage(engine.Usage{Type: "Build Cache", Total: 1, Size: 10, Reclaimable: 5}),
			`{"Active":"0","Reclaimable":"5B","Size":"10B","TotalCount":"1","Type":"Build Cache"}`,
		},
		"system df -v of nothing": {OfDiskUsage(engine.DiskUsage{}, o), `{"Images":[],"Containers":[],"Volumes":[],"BuildCache":[]}`},
	} {
		got, err := json.Marshal(tt.row)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(tt.want), &b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRowsAreTexts: a list reads and titles the fields of a row as strings.
func TestRowsAreTexts(t *testing.T) {
	t.Parallel()
	for _, row := range []any{Container{}, Image{}, History{}, Stats{}, Volume{}, Network{}, Usage{}, Cache{}, Found{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(row)) {
			if f.IsExported() && f.Type.Kind() != reflect.String {
				t.Errorf("%T.%s is a %v", row, f.Name, f.Type)
			}
		}
	}
}

func TestNoTrunc(t *testing.T) {
	t.Parallel()
	o := Options{Now: noon, NoTrunc: true}
	c := OfContainer(redis(), o)
	if c.ID != strings.Repeat("a1", 32) || c.Command != `"docker-entrypoint.sh \"x\""` || !strings.HasPrefix(c.Mounts, strings.Repeat("v", 20)) {
		t.Errorf("%+v", c)
	}
	if got := OfImage(listed(), o).ID; got != digest.FromString("redis").String() {
		t.Errorf("image id %s", got)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]engine.ContainerSize{
		"0B": {}, "2B (virtual 21.5MB)": {RW: 2, RootFS: 21_500_000}, "0B (virtual 5B)": {RootFS: 5},
	} {
		if got := OfSizedContainer(redis(), s, Options{Now: noon}).Size; got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}

func TestImageOfAContainer(t *testing.T) {
	t.Parallel()
	sum := "sha256:" + strings.Repeat("c", 64)
	for name, want := range map[string]string{
		"redis": "redis", "redis:7": "redis:7", "redis@" + sum: "redis", "redis:7@" + sum: "redis:7",
		"sha256:" + strings.Repeat("b2", 32): "b2b2b2b2b2b2", "b2b2": "b2b2b2b2b2b2", "harbor:85/a/b@" + sum: "harbor:85/a/b",
	} {
		c := redis()
		c.Image = name
		if got := OfContainer(c, Options{Now: noon}).Image; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := OfContainer(c, Options{Now: noon, NoTrunc: true}).Image; got != name {
			t.Errorf("%s whole: %s", name, got)
		}
	}
}

func TestLabel(t *testing.T) {
	t.Parallel()
	c := OfContainer(redis(), Options{Now: noon})
	for name, want := range map[string]string{"com.example.team": "x", "none": ""} {
		if got := c.Label(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := (Network{}).Label("com.example.my-team_name"); got != "MY TEAM NAME" {
		t.Errorf("its title: %q", got)
	}
	if got := OfVolume(engine.Volume{}).Label("a"); got != "" {
		t.Errorf("of a volume without any: %q", got)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr("127.0.0.1")
	port := func(host, container uint16, proto string, at ...netip.Addr) publish.Port {
		p := publish.Port{HostPort: host, ContainerPort: container, Proto: proto}
		if len(at) > 0 {
			p.HostIP = at[0]
		}
		return p
	}
	for want, tt := range map[string]struct {
		published []publish.Port
		exposed   []string
	}{
		"":                           {},
		"6379/tcp":                   {nil, []string{"6379/tcp"}},
		"6379/tcp, 6379/udp":         {nil, []string{"6379/tcp", "6379/udp"}},
		"80/tcp, 443/tcp":            {nil, []string{"443", "80/tcp"}},
		"7000-7003/tcp":              {nil, []string{"7000-7002/tcp", "7003/tcp"}},
		"0.0.0.0:80->80/tcp":         {[]publish.Port{port(80, 80, "tcp")}, []string{"80/tcp"}},
		"0.0.0.0:80-82->80-82/tcp":   {[]publish.Port{port(82, 82, "tcp"), port(80, 80, ""), port(81, 81, "tcp")}, nil},
		"127.0.0.1:5353->53/udp":     {[]publish.Port{port(5353, 53, "udp", ip)}, nil},
		"53/tcp, 0.0.0.0:99->53/udp": {[]publish.Port{port(99, 53, "udp")}, []string{"53/tcp", "53/udp"}},
		"0.0.0.0:80->80/tcp, 127.0.0.1:80->80/tcp": {[]publish.Port{port(80, 80, "tcp"), port(80, 80, "tcp", ip)}, nil},
		"0.0.0.0:90->80/tcp, 0.0.0.0:91->81/tcp":   {[]publish.Port{port(90, 80, "tcp"), port(91, 81, "tcp")}, nil},
		"[::1]:80-81->80-81/tcp":                   {[]publish.Port{port(80, 80, "tcp", netip.IPv6Loopback()), port(81, 81, "tcp", netip.IPv6Loopback())}, nil},
		"90/tcp":                                   {nil, []string{"90/tcp", "nonsense", "99999/tcp", "5-4/tcp"}},
	} {
		c := listing.Container{State: record.State{Status: record.Running}, Exposed: tt.exposed}
		c.State.Network.Ports = tt.published
		if got := ports(c.Ports()); got != want {
			t.Errorf("%+v, %v: %q, want %q", tt.published, tt.exposed, got, want)
		}
	}
}
