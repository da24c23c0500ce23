package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// edges are answers to what programs send that nobody here wrote: values at the edge of
// what docker's engine takes, and what it says to those beyond. $ID is the container runs,
// $BOX the id of the image.
var edges = []answer{
	// Creating: what docker takes.
	{"POST", "/containers/create?name=ports-null", `{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"80/tcp":null,"81/tcp":[]}}}`, 201, `"Id"`},
	{"POST", "/containers/create?name=ports-proto", `{"Image":"box","Cmd":["true"],"ExposedPorts":{"80":{},"90-92/udp":{}},"HostConfig":{"PortBindings":{"80":[{"HostPort":"0"}]}}}`, 201, `"Id"`},
	{"GET", "/containers/ports-proto/json", "", 200, `"ExposedPorts":\{"80/tcp":\{\},"90/udp":\{\},"91/udp":\{\},"92/udp":\{\}\}`},
	{"POST", "/containers/create?name=unlimited", `{"Image":"box","Cmd":["true"],"HostConfig":{"Memory":-1,"PidsLimit":0,"Ulimits":[{"Name":"memlock","Soft":-1,"Hard":-1}],"MemorySwappiness":-1}}`, 201, `"Id"`},
	{"GET", "/containers/unlimited/json", "", 200, `"Ulimits":\[\{"Name":"memlock","Hard":-1,"Soft":-1\}\]`},
	{"GET", "/containers/unlimited/json", "", 200, `"ShmSize":67108864`},
	{"POST", "/containers/create?name=capable", `{"Image":"box","Cmd":["true"],"HostConfig":{"CapAdd":["net_admin","CAP_SYS_TIME"],"CapDrop":["all"]}}`, 201, `"Id"`},
	{"GET", "/containers/capable/json", "", 200, `"CapAdd":\["net_admin","CAP_SYS_TIME"\],"CapDrop":\["all"\]`},
	{"POST", "/containers/create?name=lower-case-keys", `{"image":"box","cmd":["true"],"hostconfig":{"networkmode":"none"}}`, 201, `"Id"`},
	{"POST", "/containers/create?name=unknown-keys", `{"Image":"box","Cmd":["true"],"Nothing":{"x":[1,2]},"HostConfig":{"Nothing":1}}`, 201, `"Id"`},
	{"POST", "/containers/create?name=half-open", `{"Image":"box","Cmd":["true"],"HostConfig":{"Devices":[{"PathOnHost":"/dev/null"}],"Runtime":"io.containerd.runc.v2"}}`, 201, `"Id"`},
	{"POST", "/containers/create?name=by-digest-id", `{"Image":"$BOX","Cmd":["true"]}`, 201, `"Id"`},
	{"GET", "/containers/by-digest-id/json", "", 200, `"Image":"sha256:[0-9a-f]{64}"`},
	{"POST", "/containers/create?name=entry", `{"Image":"box","Entrypoint":["echo","a"]}`, 201, `"Id"`},
	{"GET", "/containers/entry/json", "", 200, `"Path":"echo","Args":\["a"\]`},
	{"POST", "/containers/create?name=sized&platform=", `{"Image":"box","Cmd":["true"],"HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/mnt/scratch","TmpfsOptions":{"SizeBytes":1048576,"Mode":493}}]}}`, 201, `"Id"`},
	{"GET", "/containers/sized/json", "", 200, `"Tmpfs":\{"/mnt/scratch":"size=1048576,mode=755"\}`},
	{"POST", "/containers/create?name=health", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Test":["CMD-SHELL","exit 0"],"Interval":0,"Timeout":0,"Retries":0}}`, 201, `"Id"`},
	{"GET", "/containers/health/json", "", 200, `"Healthcheck":\{"Test":\["CMD-SHELL","exit 0"\]`},

	// Creating: what it refuses, and why.
	{"POST", "/containers/create", `{"Image":5}`, 400, `cannot unmarshal number`},
	{"POST", "/containers/create", `{"Image":"box","Env":"A=b"}`, 400, `cannot unmarshal string`},
	{"POST", "/containers/create", `{"Image":"box","Labels":["a=b"]}`, 400, `cannot unmarshal array`},
	{"POST", "/containers/create", `{"Image":"box","HostConfig":[]}`, 400, `cannot unmarshal array`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":{"a":1}}`, 400, `cannot unmarshal object`},
	{"POST", "/containers/create", `{"Image":"box","HostConfig":{"Memory":1e30}}`, 400, `cannot unmarshal number`},
	{"POST", "/containers/create", `{"Image":"box","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":8080}]}}}`, 400, `cannot unmarshal number`},
	{"POST", "/containers/create", `[]`, 400, `cannot unmarshal array`},
	{"POST", "/containers/create", `null`, 400, `image|config`},
	{"POST", "/containers/create", strings.Repeat(`{"a":`, 20000), 400, `invalid JSON`},
	{"POST", "/containers/create", `{"Image":"UPPER"}`, 400, `lower case|lowercase`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["a\u0000b"]}`, 400, `NUL`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Env":["A=\u0000"]}`, 400, `NUL`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"WorkingDir":"/a\u0000b"}`, 400, `NUL`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Hostname":"a\u0000b"}`, 400, `NUL`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["/tmp:/a\u0000b"]}}`, 400, `NUL`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Tmpfs":{"/a\u0000b":""}}}`, 400, `NUL`},
	{"POST", "/containers/create?name=a%00b", `{"Image":"box","Cmd":["true"]}`, 400, `NUL`},
	{"POST", "/containers/create?name=a%20b", `{"Image":"box","Cmd":["true"]}`, 400, `(?i)invalid container name "?.*only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Annotations":{"":"a"}}}`, 400, `empty string is not permitted as an annotation key`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"CpuShares":-1}}`, 400, `(?i)cpu shares`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"MemorySwappiness":101}}`, 400, `(?i)swappiness`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"MemorySwappiness":-2}}`, 400, `(?i)swappiness`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Memory":67108864,"MemorySwap":1048576}}`, 400, `(?i)swap`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"MemorySwap":67108864}}`, 400, `(?i)swap`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Memory":67108864,"MemoryReservation":134217728}}`, 400, `(?i)reservation`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"CpuPeriod":100}}`, 400, `(?i)period`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"CpuQuota":10}}`, 400, `(?i)quota`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"NanoCpus":9000000000000}}`, 400, `(?i)cpu`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"BlkioWeight":5}}`, 400, `(?i)weight`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Ulimits":[{"Name":"nofile","Soft":10,"Hard":5}]}}`, 400, `(?i)soft`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Ulimits":[{"Name":"nothing","Soft":10,"Hard":10}]}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"ExposedPorts":{"0/tcp":{}}}`, 400, `(?i)port`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"ExposedPorts":{"80/nothing":{}}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"x","HostPort":"1"}]}}}`, 400, `x`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Devices":[{"PathOnHost":"/dev/null","CgroupPermissions":"x"}]}}`, 400, `x`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"NetworkingConfig":{"EndpointsConfig":{"bridge":{"MacAddress":"x"}}}}`, 400, `(?i)mac`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"x"}}}}}`, 400, `x`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Dns":["x"]}}`, 400, `x`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"GroupAdd":["-1"]}}`, 400, `uids and gids must be in range`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"x"}}}}`, 400, `max-size|x`},

	// Life.
	{"POST", "/containers/runs/stop?t=99999999999999999999", "", 400, `t`},
	{"POST", "/containers/runs/kill?signal=%00", "", 400, `NUL`},
	{"POST", "/containers/runs/kill?signal=99", "", 400, `(?i)signal`},
	{"POST", "/containers/runs/kill?signal=-9", "", 400, `(?i)signal`},
	{"POST", "/containers/runs/rename?name=a%20b", "", 400, `(?i)invalid container name`},
	{"POST", "/containers/runs/rename?name=.", "", 400, `(?i)invalid container name`},
	{"POST", "/containers/runs/update", `{"RestartPolicy":{"Name":"nothing"}}`, 400, `nothing`},
	{"POST", "/containers/runs/update", `{"Memory":"x"}`, 400, `cannot unmarshal string`},
	{"POST", "/containers/removed/update", `{"RestartPolicy":{"Name":"always"}}`, 409, `(?i)restart policy`},
	{"POST", "/containers/runs/resize?h=-1&w=1", "", 400, `.`},
	{"POST", "/containers/runs/resize?h=99999&w=1", "", 400, `.`},
	{"GET", "/containers/runs/top?ps_args=-o%20user", "", 400, `(?i)pid`},
	{"GET", "/containers/runs/top?ps_args=-o%20pid,args", "", 200, `"Titles":\["PID","COMMAND"\]`},
	{"GET", "/containers/%2e%2e/json", "", 404, `.`},
	{"GET", "/containers/a%00b/json", "", 404, `No such container`},
	{"GET", "/containers/a%2Fb/json", "", 404, `.`},
	{"DELETE", "/containers/%2e%2e%2f%2e%2e", "", 501, `.`},
	{"GET", "/containers/runs/logs?stdout=1&tail=-5", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=1&since=-1", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=False&stderr=0", "", 400, `you must choose at least one stream`},
	{"POST", "/containers/runs/exec", `{"Cmd":["a\u0000b"]}`, 400, `NUL`},
	{"POST", "/containers/runs/exec", `{"Cmd":["true"],"Env":["A=\u0000"]}`, 400, `NUL`},
	{"POST", "/containers/runs/exec", `{"Cmd":"true"}`, 201, `"Id"`},
	{"POST", "/containers/runs/exec", `{"Cmd":[]}`, 400, `(?i)No exec command specified`},
	{"POST", "/containers/runs/exec", `{"Cmd":["true"],"ConsoleSize":[99999999,1]}`, 400, `(?i)terminal`},
	{"POST", "/exec/a%00b/start", `{}`, 404, `No such exec instance`},

	// Lists and their filters.
	{"GET", "/containers/json?all=1&filters={%22name%22:[%22[%22]}", "", 400, `name=\[`},
	{"GET", "/containers/json?all=1&filters={%22status%22:[%22removing%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22health%22:[%22nothing%22]}", "", 400, `nothing`},
	{"GET", "/containers/json?all=1&filters={%22publish%22:[%2299999999%22]}", "", 400, `99999999`},
	{"GET", "/containers/json?all=1&filters={%22label%22:[%22a%22],%22id%22:[%22none%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22status%22:[%22created%22,%22running%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters=null", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22status%22:null}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22status%22:5}", "", 400, `.`},
	{"GET", "/containers/json?filters={%22volume%22:[%22none%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?size=nothing", "", 200, `"SizeRootFs"`},
	{"GET", "/images/json?filters={%22reference%22:[%22b*%22]}", "", 200, `"box:latest"`},
	{"GET", "/images/json?filters={%22reference%22:[%22[%22]}", "", 400, `.`},
	{"GET", "/images/json?filters={%22until%22:[%221h%22]}", "", 200, `^\[`},
	{"GET", "/images/json?filters={%22until%22:[%22x%22]}", "", 400, `.`},
	{"GET", "/images/json?shared-size=1", "", 200, `"SharedSize":\d`},
	{"GET", "/images/box@sha256:xyz/json", "", 400, `(?i)digest|reference|invalid`},
	{"GET", "/images/library%2Fbox/json", "", 200, `"box:latest"`},
	{"GET", "/images/docker.io%2Flibrary%2Fbox:latest/json", "", 200, `"box:latest"`},
	{"POST", "/images/box/tag?repo=" + strings.Repeat("a", 64), "", 400, `64`},
	{"POST", "/images/box/tag?repo=x@sha256:" + strings.Repeat("a", 64), "", 400, `digest`},
	{"POST", "/images/box/tag?repo=" + strings.Repeat("a", 300), "", 400, `.`},
	{"POST", "/images/box/tag?repo=x&tag=" + strings.Repeat("a", 129), "", 400, `.`},
	{"GET", "/images/get?names=", "", 400, `.`},
	{"GET", "/images/get?names=box&platform=linux/amd64&platform=linux/arm64", "", 400, `multiple platform parameters not supported`},
	{"GET", "/images/box/json?platform=macos", "", 404, `darwin/`},
	{"GET", "/images/box/json?platform=foobar", "", 400, `unknown operating system or architecture`},
	{"POST", "/images/box/tag?repo=sha256&tag=x", "", 400, `refusing to create an ambiguous tag using digest algorithm as name`},
	{"GET", "/distribution/UPPER/json", "", 400, `lower case|lowercase`},

	// Commits.
	{"POST", "/commit?container=made&repo=UPPER", `{}`, 400, `lower case|lowercase`},

	// Networks.
	{"POST", "/networks/create", `{"Name":"sub","IPAM":{"Config":[{"Subnet":"10.61.0.0/24","IPRange":"10.62.0.0/25"}]}}`, 400, `10.62.0.0/25`},
	{"POST", "/networks/create", `{"Name":"sub","IPAM":{"Config":[{"Subnet":"10.61.0.5/24"}]}}`, 400, `10.61.0.0/24`},
	{"POST", "/networks/create", `{"Name":"sub","IPAM":{"Config":[{"Subnet":"10.61.0.0/24"}]}}`, 201, `"Id"`},
	{"GET", "/networks/sub", "", 200, `"Subnet":"10.61.0.0/24"`},
	{"POST", "/networks/create", `{"Name":"over","IPAM":{"Config":[{"Subnet":"10.61.0.0/25"}]}}`, 403, `Pool overlaps with other one on this address space`},
	{"POST", "/networks/create", `{"Name":"a\u0000b"}`, 400, `.`},
	{"POST", "/networks/sub/connect", `{"Container":"net","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.79.0.1"}}}`, 400, `10.79.0.1`},
	{"POST", "/networks/sub/connect", `{"Container":"net","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.61.0.77"},"Aliases":["other"],"GwPriority":7}}`, 200, ``},
	{"GET", "/containers/net/json", "", 200, `"GwPriority":7`},
	{"POST", "/networks/sub/connect", `{"Container":"net"}`, 403, `endpoint with name net already exists in network sub`},
	{"GET", "/networks/sub", "", 200, `"IPv4Address":"10.61.0.77/24"`},
	{"GET", "/containers/net/json", "", 200, `"IPAddress":"10.61.0.77"`},
	{"DELETE", "/networks/sub", "", 403, `has active endpoints`},
	{"POST", "/networks/sub/disconnect", `{"Container":"net"}`, 200, ``},
	{"DELETE", "/networks/sub", "", 204, ``},
	{"POST", "/networks/host/disconnect", `{"Container":"net"}`, 400, `(?i)not connected|host`},
	{"POST", "/networks/create", `{"Name":"ranged","IPAM":{"Driver":"nothing"}}`, 501, `IPAM driver`},
	{"POST", "/networks/create", `{"Name":"ranged","IPAM":{"Driver":"default","Options":{"foo":"bar"}}}`, 501, `IPAM driver`},
	{"POST", "/networks/create", `{"Name":"ranged","IPAM":{"Driver":"default","Options":{"driver":"host-local"},"Config":[{"Subnet":"10.61.9.0/24"}]}}`, 201, `"Id"`},
	{"DELETE", "/networks/ranged", "", 204, ``},

	// Volumes.
	{"POST", "/volumes/create", `{"Name":"."}`, 400, `.`},
	{"POST", "/volumes/create", `{"Name":"v"}`, 400, `2 to 128`},
	{"POST", "/volumes/create", `{"Name":"a\u0000b"}`, 400, `.`},
	{"POST", "/volumes/create", `{"Name":"../../x"}`, 400, `.`},
	{"POST", "/volumes/create", `{"Name":"ab"} more`, 400, `unexpected content after JSON`},
	{"POST", "/volumes/create", `{"Name":5}`, 400, `cannot unmarshal number`},
	{"GET", "/volumes/%2e%2e", "", 400, `.`},
	{"DELETE", "/volumes/%2e%2e%2fx", "", 404, `.`},
	{"DELETE", "/volumes/used", "", 409, `volume is in use`},
	{"DELETE", "/volumes/used?force=1", "", 409, `volume is in use`},
	{"GET", "/volumes?filters={%22dangling%22:[%22false%22]}", "", 200, `"Name":"used"`},
	{"GET", "/volumes?filters={%22dangling%22:[%221%22],%22name%22:[%22used%22]}", "", 200, `"Volumes":\[\]`},

	// Archives.
	{"GET", "/containers/runs/archive?path=a%00b", "", 400, `NUL`},
	{"PUT", "/containers/runs/archive?path=/&noOverwriteDirNonDir=1", "\x00", 400, `.`},
	{"GET", "/containers/runs/archive?path=/../../../bin/busybox", "", 200, `busybox`},

	// The rest.
	{"GET", "/v1.23/info", "", 400, `client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version`},
	{"GET", "/v2.0/info", "", 400, `client version 2.0 is too new`},
	{"GET", "/v1.49/info", "", 200, `"BridgeNfIptables":false,"BridgeNfIp6tables":false`},
	{"GET", "/vx/info", "", 404, `page not found`},
	{"GET", "/v1.24/_ping", "", 200, `^OK$`},
	{"GET", "/system/df?type=image&type=volume", "", 200, `"Images":\[\{.*"Containers":null,"Volumes":\[\{.*"BuildCache":null`},
	{"GET", "/system/df?type=container", "", 200, `"LayersSize":0,"Images":null,"Containers":\[\{`},
	{"GET", "/v1.41/system/df?type=container", "", 200, `"Images":\[\{`},
	{"GET", "/containers/runs/archive?path=/" + strings.Repeat("n", 300), "", 400, `name too long`},
	{"PUT", "/containers/made/archive?path=/" + strings.Repeat("n", 300), "", 400, `name too long`},
	{"POST", "/containers/made/start", `{"Binds":["/tmp:/x"]}`, 400, `non-empty request body was deprecated since API v1.22 and removed in v1.24`},
	{"POST", "/containers/made/start", `{}`, 204, ``},
	{"GET", "/events?since=10m&until=0", "", 400, `(?i)since`},
	{"GET", "/events?since=1&until=2&filters={%22event%22:[%22start%22,%22die%22],%22container%22:[%22x%22],%22image%22:[%22x%22],%22label%22:[%22x%22],%22network%22:[%22x%22],%22volume%22:[%22x%22],%22type%22:[%22container%22]}", "", 200, `^$`},
	{"POST", "/build?remote=nothing://x", "", 400, `.`},
	{"POST", "/build?dockerfile=../../etc/passwd", "", 400, `.`},
	{"POST", "/build?networkmode=nothing", "", 400, `.`},
	{"POST", "/build?memory=x", "", 400, `.`},
	{"POST", "/build?version=3", "", 400, `invalid version`},
	{"POST", "/build/prune?keep-storage=x", "", 400, `.`},
	{"POST", "/session", "", 400, `no upgrade proto in request`},
}

// TestEdges asks all that.
func TestEdges(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.Timeout = 20 * time.Second // of one that streams what should be refused
	make := func(name, body string) string {
		id := c.create(t, body)
		c.want(t, 204, "POST", "/containers/"+id+"/rename?name="+name, "")
		return id
	}
	id := make("runs", `{"Image":"box","Cmd":["sh","-c","echo said; exec sleep 1000"],"HostConfig":{"NetworkMode":"none"}}`)
	make("net", `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"Binds":["used:/v"]}}`)
	make("made", `{"Image":"box","Cmd":["true"]}`)
	make("removed", `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","AutoRemove":true}}`)
	for _, name := range []string{"runs", "net", "removed"} {
		c.want(t, 204, "POST", "/containers/"+name+"/start", "")
	}
	box := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(c.want(t, 200, "GET", "/images/box/json", ""))
	r := strings.NewReplacer("$ID", id, "$BOX", box)
	passed := 0
	for _, a := range edges {
		res, text := c.ask(t, a.method, r.Replace(a.path), r.Replace(a.body))
		if res.StatusCode != a.status || !regexp.MustCompile(r.Replace(a.has)).MatchString(text) {
			t.Errorf("%s %s %.300s is %d, want %d and %s\n\t%.600s", a.method, a.path, a.body, res.StatusCode, a.status, a.has, text)
			continue
		}
		if res.StatusCode >= 400 && a.method != http.MethodHead && !inShape(a.path, text) {
			t.Errorf("%s %s: the error is not in docker's shape: %s", a.method, a.path, text)
		}
		passed++
	}
	t.Logf("%d of %d answers", passed, len(edges))
}
