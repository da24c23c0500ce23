package clients

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	mobycontainer "github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

// tcBase is the image of the session's containers, a name that no registry is asked for.
const tcBase = "box:tc"

// TestTestcontainers runs a session of testcontainers in a process of its own, which ends
// without removing everything: the reaper does, which has the socket in a container.
func TestTestcontainers(t *testing.T) {
	root := rootfs(t)
	ctx := t.Context()
	c := must(client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()))(t)
	text(t, must(c.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, tcBase, image.ImportOptions{}))(t))
	makeReaper(t, c)
	const session = "cove-clients"
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSession$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "COVE_CLIENTS_SESSION=1", "TESTCONTAINERS_SESSION_ID="+session, "RYUK_RECONNECTION_TIMEOUT=1s")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSession") {
		t.Errorf("the session: %v\n%s", err, out)
	}
	of := filters.NewArgs(filters.Arg("label", "org.testcontainers.sessionId="+session))
	var left []string
	for range 600 {
		left = nil
		for _, one := range must(c.ContainerList(ctx, container.ListOptions{All: true, Filters: of}))(t) {
			left = append(left, one.Names...)
		}
		for _, one := range must(c.NetworkList(ctx, network.ListOptions{Filters: of}))(t) {
			left = append(left, one.Name)
		}
		for _, one := range must(c.VolumeList(ctx, volume.ListOptions{Filters: of}))(t).Volumes {
			left = append(left, one.Name)
		}
		for _, one := range must(c.ImageList(ctx, image.ListOptions{Filters: of}))(t) {
			left = append(left, one.ID)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the reaper left %v", left)
}

// makeReaper builds the reaper's image, under the name that testcontainers looks for.
func makeReaper(t *testing.T, c *client.Client) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "reaper")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./reaper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range map[string][]byte{
		"Dockerfile": []byte("FROM scratch\nCOPY reaper /reaper\nENTRYPOINT [\"/reaper\"]\n"),
		"reaper":     must(os.ReadFile(binary))(t),
	} {
		done(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(body))}))
		must(w.Write(body))(t)
	}
	done(t, w.Close())
	built := must(c.ImageBuild(t.Context(), &b, build.ImageBuildOptions{Tags: []string{testcontainers.ReaperDefaultImage}, Remove: true}))(t)
	has(t, text(t, built.Body), "Successfully tagged")
}

// TestSession is the session: each part is what testcontainers' own tests do, with images
// that were made here.
func TestSession(t *testing.T) {
	if os.Getenv("COVE_CLIENTS_SESSION") == "" {
		t.Skip("TestTestcontainers runs this")
	}
	for name, try := range map[string]func(*testing.T){
		"web": web, "exec": execute, "files": copies, "networks": onNetwork, "build": built, "health": healthy, "logs": consumed,
		"exit": exits, "reuse": reused, "parallel": parallel, "restart": restarted, "refused": refused, "left": left,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t)
		})
	}
}

func run(t *testing.T, options ...testcontainers.ContainerCustomizer) *testcontainers.DockerContainer {
	t.Helper()
	c, err := testcontainers.Run(t.Context(), tcBase, options...)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// httpd serves a page at port 8080.
func httpd() testcontainers.CustomizeRequestOption {
	return testcontainers.WithCmd("sh", "-c", "mkdir /www; echo page >/www/index.html; echo ready; busybox httpd -p 8080 -h /www; "+sleeps)
}

// web is reached at its port, whichever way it is waited for.
func web(t *testing.T) {
	for name, s := range map[string]wait.Strategy{
		"listening": wait.ForListeningPort("8080/tcp"), "http": wait.ForHTTP("/").WithPort("8080/tcp"), "exposed": wait.ForExposedPort(),
		"all": wait.ForAll(wait.ForLog("ready"), wait.ForMappedPort("8080/tcp"), wait.ForExec([]string{"true"}), wait.ForFile("/www/index.html")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := run(t, httpd(), testcontainers.WithExposedPorts("8080/tcp"), testcontainers.WithWaitStrategy(s, wait.ForHTTP("/").WithPort("8080/tcp")))
			at := must(c.Endpoint(t.Context(), "http"))(t)
			res := must(http.Get(at))(t)
			want(t, "the page", text(t, res.Body), "page\n")
			port := must(c.MappedPort(t.Context(), "8080/tcp"))(t)
			_, is, err := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
			done(t, err)
			want(t, "its port", is, port.Port())
			want(t, "it runs", must(c.State(t.Context()))(t).Running, true)
			if must(c.ContainerIP(t.Context()))(t) == "" {
				t.Error("it has no address")
			}
		})
	}
}

// sleeps is what ends when it is asked to.
const sleeps = "trap 'exit 0' TERM; while :; do sleep 0.1; done"

func idle() testcontainers.CustomizeRequestOption { return testcontainers.WithCmd("sh", "-c", sleeps) }

func execute(t *testing.T) {
	c := run(t, idle(), testcontainers.WithEnv(map[string]string{"A": "b"}))
	code, out, err := c.Exec(t.Context(), []string{"sh", "-c", "echo $A $B; pwd; id -u; exit 3"},
		tcexec.Multiplexed(), tcexec.WithUser("1001"), tcexec.WithWorkingDir("/tmp"), tcexec.WithEnv([]string{"B=c"}))
	done(t, err)
	want(t, "its exit code", code, 3)
	want(t, "its output", string(must(io.ReadAll(out))(t)), "b c\n/tmp\n1001\n")
}

func copies(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "folder")
	done(t, os.Mkdir(dir, 0o755))
	done(t, os.WriteFile(filepath.Join(dir, "of-host"), []byte("of the host"), 0o600))
	c := run(t, idle(), testcontainers.WithFiles(testcontainers.ContainerFile{Reader: strings.NewReader("before the start"), ContainerFilePath: "/made/before", FileMode: 0o640}))
	done(t, c.CopyToContainer(ctx, []byte("as bytes"), "/bytes", 0o600))
	done(t, c.CopyFileToContainer(ctx, filepath.Join(dir, "of-host"), "/one", 0o600))
	done(t, c.CopyDirToContainer(ctx, dir, "/folder", 0o755))
	for path, is := range map[string]string{"/made/before": "before the start", "/bytes": "as bytes", "/one": "of the host", "/folder/of-host": "of the host"} {
		want(t, path, text(t, must(c.CopyFileFromContainer(ctx, path))(t)), is)
	}
	code, out, err := c.Exec(ctx, []string{"stat", "-c", "%a", "/made/before"}, tcexec.Multiplexed())
	done(t, err)
	want(t, "the exit code", code, 0)
	want(t, "its mode", strings.TrimSpace(string(must(io.ReadAll(out))(t))), "640")
}

// onNetwork has two find each other by their names in a network of their own.
func onNetwork(t *testing.T) {
	ctx := t.Context()
	n := must(tcnetwork.New(ctx, tcnetwork.WithAttachable(), tcnetwork.WithLabels(map[string]string{"of": "test"})))(t)
	testcontainers.CleanupNetwork(t, n)
	server := run(t, httpd(), tcnetwork.WithNetwork([]string{"server"}, n), testcontainers.WithWaitStrategy(wait.ForLog("ready")))
	c := run(t, idle(), tcnetwork.WithNetwork(nil, n))
	for range 50 {
		code, out, err := c.Exec(ctx, []string{"busybox", "wget", "-qO", "-", "http://server:8080"}, tcexec.Multiplexed())
		done(t, err)
		if page := string(must(io.ReadAll(out))(t)); code == 0 {
			want(t, "the page", page, "page\n")
			break
		}
		time.Sleep(100 * time.Millisecond) // the log comes before the server
	}
	aliases := must(server.NetworkAliases(ctx))(t)
	if got := aliases[n.Name]; len(got) == 0 || got[0] != "server" {
		t.Errorf("%v", aliases)
	}
	names := must(server.Networks(ctx))(t)
	want(t, "networks", len(names), 1)
}

func built(t *testing.T) {
	word := "argument"
	c, err := testcontainers.GenericContainer(t.Context(), testcontainers.GenericContainerRequest{Started: true, ContainerRequest: testcontainers.ContainerRequest{
		FromDockerfile: testcontainers.FromDockerfile{
			ContextArchive: archive(t, map[string]string{"Dockerfile": "FROM " + tcBase + "\nARG WORD\nRUN echo $WORD >/said\nCMD cat /said; " + sleeps + "\n"}),
			BuildArgs:      map[string]*string{"WORD": &word},
		},
		WaitingFor: wait.ForLog("argument"),
	}})
	testcontainers.CleanupContainer(t, c)
	done(t, err)
}

func healthy(t *testing.T) {
	c := run(t, testcontainers.WithCmd("sh", "-c", "sleep 1; touch /well; "+sleeps),
		testcontainers.WithConfigModifier(func(c *mobycontainer.Config) {
			c.Healthcheck = &mobycontainer.HealthConfig{Test: []string{"CMD", "test", "-e", "/well"}, Interval: 100 * time.Millisecond}
		}), testcontainers.WithWaitStrategy(wait.ForHealthCheck()))
	want(t, "it is", string(must(c.State(t.Context()))(t).Health.Status), "healthy")
}

// heard hears lines.
type heard chan testcontainers.Log

func (h heard) Accept(l testcontainers.Log) {
	l.Content = bytes.Clone(l.Content) // which the next line overwrites
	h <- l
}

func consumed(t *testing.T) {
	lines := make(heard, 16)
	c := run(t, testcontainers.WithCmd("sh", "-c", "echo out; echo err >&2; "+sleeps), testcontainers.WithLogConsumers(lines))
	got := map[string]string{}
	for range 2 {
		l := <-lines
		got[l.LogType] = string(l.Content)
	}
	want(t, "output", got["STDOUT"], "out\n")
	want(t, "errors", got["STDERR"], "err\n")
	has(t, text(t, must(c.Logs(t.Context()))(t)), "out")
}

func exits(t *testing.T) {
	c := run(t, testcontainers.WithCmd("sh", "-c", "exit 7"), testcontainers.WithWaitStrategy(wait.ForExit()))
	want(t, "its exit code", must(c.State(t.Context()))(t).ExitCode, 7)
}

func reused(t *testing.T) {
	first := run(t, idle(), testcontainers.WithReuseByName("reused"))
	again := run(t, idle(), testcontainers.WithReuseByName("reused"))
	want(t, "its id", again.GetContainerID(), first.GetContainerID())
}

func parallel(t *testing.T) {
	var all testcontainers.ParallelContainerRequest
	for range 8 {
		all = append(all, testcontainers.GenericContainerRequest{Started: true, ContainerRequest: testcontainers.ContainerRequest{Image: tcBase, Cmd: []string{"sh", "-c", sleeps}}})
	}
	made, err := testcontainers.ParallelContainers(t.Context(), all, testcontainers.ParallelContainersOptions{WorkersCount: 4})
	for _, c := range made {
		testcontainers.CleanupContainer(t, c)
	}
	done(t, err)
	want(t, "containers", len(made), 8)
}

func restarted(t *testing.T) {
	ctx, none := t.Context(), time.Duration(0)
	c := run(t, httpd(), testcontainers.WithExposedPorts("8080/tcp"), testcontainers.WithWaitStrategy(wait.ForHTTP("/").WithPort("8080/tcp")),
		testcontainers.WithHostConfigModifier(func(h *mobycontainer.HostConfig) { h.Memory = 64 << 20; h.CapDrop = []string{"ALL"} }))
	done(t, c.Stop(ctx, &none))
	want(t, "it runs", must(c.State(ctx))(t).Running, false)
	done(t, c.Start(ctx))
	want(t, "it runs", must(c.State(ctx))(t).Running, true)
	told := must(c.Inspect(ctx))(t)
	want(t, "its memory", told.HostConfig.Memory, 64<<20)
}

// refused is told of what cannot be, and a strategy of what has ended.
func refused(t *testing.T) {
	c, err := testcontainers.Run(t.Context(), tcBase, testcontainers.WithCmd("nosuchprogram"))
	testcontainers.CleanupContainer(t, c)
	if err == nil || !strings.Contains(err.Error(), "nosuchprogram") {
		t.Errorf("%v", err)
	}
	c, err = testcontainers.Run(t.Context(), tcBase, testcontainers.WithCmd("sh", "-c", "echo no; exit 1"),
		testcontainers.WithWaitStrategy(wait.ForLog("never").WithStartupTimeout(time.Minute)))
	testcontainers.CleanupContainer(t, c)
	if err == nil || !strings.Contains(err.Error(), "exited with code 1") {
		t.Errorf("%v", err)
	}
}

// left is for the reaper: a container with a volume, and a network.
func left(t *testing.T) {
	ctx := context.Background()
	n := must(tcnetwork.New(ctx))(t)
	must(testcontainers.Run(ctx, tcBase, idle(), tcnetwork.WithNetwork([]string{"left"}, n), testcontainers.WithMounts(testcontainers.VolumeMount("left-by-a-test", "/v"))))(t)
}
