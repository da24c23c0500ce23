package clients

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/docker/errdefs"
	"github.com/docker/go-connections/nat"
)

// drive is docker's client in one version of the API, with an image of its own.
type drive struct {
	*client.Client
	base string
	old  bool // it speaks the oldest version
}

// TestVerbs does everything that docker's client can do, in the newest version of the API
// and in the oldest.
func TestVerbs(t *testing.T) {
	for name, version := range map[string]client.Opt{
		"newest": client.WithAPIVersionNegotiation(), "1.24": client.WithVersion("1.24"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := rootfs(t)
			c := must(client.NewClientWithOpts(client.FromEnv, version))(t)
			d := drive{Client: c, base: "box:" + name, old: name == "1.24"}
			answer := must(c.ImageImport(t.Context(), image.ImportSource{Source: root, SourceName: "-"}, d.base, image.ImportOptions{}))(t)
			has(t, text(t, answer), "sha256:")
			for verb, try := range map[string]func(*testing.T){
				"system": d.system, "images": d.images, "registry": d.registry, "build": d.build, "commit": d.commit, "paths": d.paths,
				"life": d.life, "attach": d.attach, "terminal": d.terminal, "logs": d.logs, "exec": d.exec, "stats": d.stats, "copy": d.copy,
				"networks": d.networks, "volumes": d.volumes, "events": d.events, "wait": d.wait, "refusals": d.refusals,
			} {
				t.Run(verb, func(t *testing.T) {
					t.Parallel()
					try(t)
				})
			}
		})
	}
}

// name is one that the other version does not use.
func (d drive) name(base string) string {
	if d.old && base != "" {
		return base + "-old"
	}
	return base
}

// create makes a container that goes with the test.
func (d drive) create(t *testing.T, name string, c container.Config, h container.HostConfig) string {
	t.Helper()
	if c.Image == "" {
		c.Image = d.base
	}
	made := must(d.ContainerCreate(t.Context(), &c, &h, nil, nil, d.name(name)))(t)
	t.Cleanup(func() { d.remove(t, made.ID) })
	return made.ID
}

func (d drive) remove(t *testing.T, id string) {
	err := d.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Errorf("removing %s: %v", id, err)
	}
}

func (d drive) start(t *testing.T, id string) {
	t.Helper()
	done(t, d.ContainerStart(t.Context(), id, container.StartOptions{}))
}

func (d drive) system(t *testing.T) {
	ping := must(d.Ping(t.Context()))(t)
	want(t, "the version of the API", ping.APIVersion, "1.51")
	want(t, "the system", ping.OSType, "linux")
	v := must(d.ServerVersion(t.Context()))(t)
	want(t, "the oldest version", v.MinAPIVersion, "1.24")
	info := must(d.Info(t.Context()))(t)
	if info.NCPU == 0 || info.MemTotal == 0 || info.Driver == "" || info.ServerVersion == "" {
		t.Errorf("not all is told: %+v", info)
	}
	if d.old {
		return // it has no usage of the disk
	}
	usage := must(d.DiskUsage(t.Context(), types.DiskUsageOptions{}))(t)
	if usage.LayersSize == 0 || len(usage.Images) == 0 {
		t.Errorf("images use nothing: %+v", usage)
	}
}

func (d drive) images(t *testing.T) {
	ctx, other := t.Context(), d.name("images")+":v1"
	done(t, d.ImageTag(ctx, d.base, other))
	all := must(d.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", other))}))(t)
	if len(all) != 1 || !slices.Contains(all[0].RepoTags, other) {
		t.Fatalf("%+v", all)
	}
	told := must(d.ImageInspect(ctx, other))(t)
	want(t, "its id", told.ID, all[0].ID)
	want(t, "its system", told.Os, "linux")
	if history := must(d.ImageHistory(ctx, other))(t); len(history) != 1 {
		t.Errorf("%+v", history)
	}
	saved := must(io.ReadAll(must(d.ImageSave(ctx, []string{other}))(t)))(t)
	removed := must(d.ImageRemove(ctx, other, image.RemoveOptions{PruneChildren: true}))(t)
	if len(removed) != 1 || removed[0].Untagged != other {
		t.Errorf("%+v", removed)
	}
	loaded := must(d.ImageLoad(ctx, bytes.NewReader(saved)))(t)
	has(t, text(t, loaded.Body), "Loaded image: "+other)
	must(d.ImageRemove(ctx, other, image.RemoveOptions{}))(t)
	_, err := d.ImageInspect(ctx, other)
	want(t, "not there", errdefs.IsNotFound(err), true)
	if !d.old {
		must(d.ImagesPrune(ctx, filters.NewArgs(filters.Arg("label", "nobody"))))(t)
	}
}

func (d drive) registry(t *testing.T) {
	ctx, at := t.Context(), os.Getenv(registryVar)
	name := at + "/" + d.name("team/box") + ":v1"
	auth := must(registry.EncodeAuthConfig(registry.AuthConfig{ServerAddress: at}))(t)
	done(t, d.ImageTag(ctx, d.base, name))
	has(t, text(t, must(d.ImagePush(ctx, name, image.PushOptions{RegistryAuth: auth}))(t)), `"Digest":"sha256:`)
	must(d.ImageRemove(ctx, name, image.RemoveOptions{}))(t)
	has(t, text(t, must(d.ImagePull(ctx, name, image.PullOptions{RegistryAuth: auth}))(t)), "Status: Downloaded newer image for "+name)
	told := must(d.ImageInspect(ctx, name))(t)
	want(t, "digests", len(told.RepoDigests), 1)
	if !d.old {
		there := must(d.DistributionInspect(ctx, name, auth))(t)
		has(t, told.RepoDigests[0], there.Descriptor.Digest.String())
	}
	must(d.ImageRemove(ctx, name, image.RemoveOptions{}))(t)
	if _, err := d.ImagePull(ctx, at+"/team/nothing:v1", image.PullOptions{RegistryAuth: auth}); !errdefs.IsNotFound(err) {
		t.Errorf("a pull of what is not there: %v", err)
	}
}

// archive is a tar of files.
func archive(t *testing.T, files map[string]string) io.ReadSeeker {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range files {
		done(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}))
		must(w.Write([]byte(body)))(t)
	}
	done(t, w.Close())
	return bytes.NewReader(b.Bytes())
}

func (d drive) build(t *testing.T) {
	ctx, name := t.Context(), d.name("built")+":v1"
	body := archive(t, map[string]string{"Dockerfile": "FROM " + d.base + "\nARG WORD\nCOPY file /file\nRUN echo said $WORD >/said\nLABEL a=b\n", "file": "of the context"})
	word := "this"
	built := must(d.ImageBuild(ctx, body, build.ImageBuildOptions{Tags: []string{name}, BuildArgs: map[string]*string{"WORD": &word}, Labels: map[string]string{"c": "d"}, Remove: true}))(t)
	has(t, text(t, built.Body), "Successfully tagged "+name)
	told := must(d.ImageInspect(ctx, name))(t)
	want(t, "a label of the Dockerfile's", told.Config.Labels["a"], "b")
	want(t, "one of the request's", told.Config.Labels["c"], "d")
	want(t, "what was built", d.says(t, name, "cat", "/said", "/file"), "said this\nof the context")
	must(d.ImageRemove(ctx, name, image.RemoveOptions{Force: true}))(t)
	failed := must(d.ImageBuild(ctx, archive(t, map[string]string{"Dockerfile": "FROM " + d.base + "\nRUN exit 3\n"}), build.ImageBuildOptions{}))(t)
	has(t, text(t, failed.Body), `"errorDetail":{"code":3`)
	if !d.old {
		must(d.BuildCachePrune(ctx, build.CachePruneOptions{Filters: filters.NewArgs(filters.Arg("until", "24h"))}))(t)
	}
}

// says is what a container prints that runs an image.
func (d drive) says(t *testing.T, image string, args ...string) string {
	t.Helper()
	id := d.create(t, "", container.Config{Image: image, Cmd: args}, container.HostConfig{})
	d.start(t, id)
	want(t, "its exit code", d.waited(t, id, container.WaitConditionNotRunning), 0)
	out, _ := streams(t, must(d.ContainerLogs(t.Context(), id, container.LogsOptions{ShowStdout: true}))(t))
	return out
}

func (d drive) waited(t *testing.T, id string, until container.WaitCondition) int64 {
	t.Helper()
	ended, failed := d.ContainerWait(t.Context(), id, until)
	select {
	case e := <-ended:
		return e.StatusCode
	case err := <-failed:
		t.Fatal(err)
		return 0
	}
}

func (d drive) commit(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "echo kept >/kept"}}, container.HostConfig{})
	d.start(t, id)
	d.waited(t, id, container.WaitConditionNotRunning)
	name := d.name("committed") + ":v1"
	made := must(d.ContainerCommit(ctx, id, container.CommitOptions{Reference: name, Comment: "why", Author: "who", Changes: []string{"ENV A=b"}, Config: &container.Config{Labels: map[string]string{"l": "1"}}}))(t)
	told := must(d.ImageInspect(ctx, name))(t)
	want(t, "its id", made.ID, told.ID)
	want(t, "its author", told.Author, "who")
	want(t, "its comment", told.Comment, "why")
	want(t, "a label of the config", told.Config.Labels["l"], "1")
	want(t, "what it runs", d.says(t, name, "sh", "-c", "cat /kept; echo $A"), "kept\nb\n")
	must(d.ImageRemove(ctx, name, image.RemoveOptions{Force: true}))(t)
}

func (d drive) life(t *testing.T) {
	ctx, name := t.Context(), d.name("life")
	id := d.create(t, "life", container.Config{
		Cmd: []string{"sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done"}, Env: []string{"A=b"},
		Labels: map[string]string{"of": name}, ExposedPorts: nat.PortSet{"80/tcp": {}}, Hostname: "h",
	}, container.HostConfig{
		PortBindings:  nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}},
		RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 1}, Tmpfs: map[string]string{"/t": "size=1m"},
		Resources: container.Resources{Memory: 64 << 20},
	})
	state := func(of string) {
		t.Helper()
		want(t, "its state", must(d.ContainerInspect(ctx, id))(t).State.Status, of)
	}
	state("created")
	d.start(t, id)
	d.start(t, id) // a second one changes nothing
	state("running")
	told := must(d.ContainerInspect(ctx, id))(t)
	want(t, "its name", told.Name, "/"+name)
	want(t, "its memory", told.HostConfig.Memory, 64<<20)
	want(t, "its end", len(told.NetworkSettings.Ports["80/tcp"]), 1)
	want(t, "retries", told.HostConfig.RestartPolicy.MaximumRetryCount, 1)
	all := must(d.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "of="+name)), Size: true}))(t)
	if len(all) != 1 || all[0].ID != id || all[0].State != "running" || len(all[0].Ports) != 1 || !slices.Contains(all[0].Names, "/"+name) {
		t.Errorf("%+v", all)
	}
	top := must(d.ContainerTop(ctx, id, []string{"-eo", "pid,comm"}))(t)
	want(t, "a column", top.Titles[0], "PID")
	must(d.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{Memory: 96 << 20, MemorySwap: -1}}))(t)
	want(t, "its memory then", must(d.ContainerInspect(ctx, id))(t).HostConfig.Memory, 96<<20)
	done(t, d.ContainerPause(ctx, id))
	state("paused")
	done(t, d.ContainerUnpause(ctx, id))
	none := 0
	done(t, d.ContainerRename(ctx, id, name+"-2"))
	done(t, d.ContainerRestart(ctx, name+"-2", container.StopOptions{Timeout: &none}))
	state("running")
	done(t, d.ContainerKill(ctx, id, "KILL"))
	done(t, d.ContainerStop(ctx, id, container.StopOptions{Timeout: &none})) // also when it has ended
	d.waited(t, id, container.WaitConditionNotRunning)
	done(t, d.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true}))
	_, err := d.ContainerInspect(ctx, id)
	want(t, "not there", errdefs.IsNotFound(err), true)
	if !d.old {
		must(d.ContainersPrune(ctx, filters.NewArgs(filters.Arg("label", "nobody"))))(t)
	}
}

// attach comes before the start and misses nothing; what is typed ends where the client
// ends it.
func (d drive) attach(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "echo first; echo second >&2; cat; exit 4"}, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true}, container.HostConfig{})
	conn := must(d.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true}))(t)
	defer conn.Close()
	d.start(t, id)
	must(conn.Conn.Write([]byte("typed")))(t)
	done(t, conn.CloseWrite())
	out, errs := streams(t, conn.Reader)
	want(t, "its output", out, "first\ntyped")
	want(t, "its errors", errs, "second\n")
	want(t, "its exit code", d.waited(t, id, container.WaitConditionNotRunning), 4)
}

func (d drive) terminal(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sh"}, Tty: true, OpenStdin: true, AttachStdin: true, AttachStdout: true, AttachStderr: true}, container.HostConfig{})
	conn := must(d.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true}))(t)
	defer conn.Close()
	d.start(t, id)
	done(t, d.ContainerResize(ctx, id, container.ResizeOptions{Height: 33, Width: 99}))
	must(conn.Conn.Write([]byte("stty size; exit 6\n")))(t)
	has(t, string(must(io.ReadAll(conn.Reader))(t)), "33 99")
	want(t, "its exit code", d.waited(t, id, container.WaitConditionNotRunning), 6)
}

func (d drive) logs(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "echo one; echo two >&2; while [ ! -e /end ]; do sleep 0.1; done; echo three"}}, container.HostConfig{})
	d.start(t, id)
	follow := must(d.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}))(t)
	done(t, d.CopyToContainer(ctx, id, "/", archive(t, map[string]string{"end": ""}), container.CopyToContainerOptions{}))
	out, errs := streams(t, follow)
	want(t, "its output", out, "one\nthree\n")
	want(t, "its errors", errs, "two\n")
	out, errs = streams(t, must(d.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, Tail: "1", Timestamps: true}))(t))
	has(t, out, "Z three\n")
	want(t, "its errors when nobody asks", errs, "")
}

func (d drive) exec(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{})
	d.start(t, id)
	made := must(d.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"sh", "-c", "cat; id -u >&2; exit 3"}, AttachStdin: true, AttachStdout: true, AttachStderr: true, User: "1001", WorkingDir: "/tmp"}))(t)
	conn := must(d.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{}))(t)
	running := must(d.ContainerExecInspect(ctx, made.ID))(t)
	want(t, "it runs", running.Running, true)
	must(conn.Conn.Write([]byte("typed")))(t)
	done(t, conn.CloseWrite())
	out, errs := streams(t, conn.Reader)
	conn.Close()
	want(t, "its output", out, "typed")
	want(t, "its errors", errs, "1001\n")
	told := must(d.ContainerExecInspect(ctx, made.ID))(t)
	want(t, "it runs", told.Running, false)
	want(t, "its exit code", told.ExitCode, 3)
	want(t, "its container", told.ContainerID, id)

	made = must(d.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"sleep", "1000"}, Tty: true}))(t)
	done(t, d.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true, Tty: true}))
	told = must(d.ContainerExecInspect(ctx, made.ID))(t)
	want(t, "it runs", told.Running, true)
	if told.Pid == 0 {
		t.Error("it has no process id")
	}
	done(t, d.ContainerExecResize(ctx, made.ID, container.ResizeOptions{Height: 10, Width: 20}))
	_, err := d.ContainerExecInspect(ctx, "nothing")
	want(t, "not there", errdefs.IsNotFound(err), true)
}

func (d drive) stats(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{})
	d.start(t, id)
	one := func(r container.StatsResponseReader) {
		t.Helper()
		defer r.Body.Close()
		var s container.StatsResponse
		done(t, json.NewDecoder(r.Body).Decode(&s))
		if s.MemoryStats.Usage == 0 || s.CPUStats.CPUUsage.TotalUsage == 0 || s.PidsStats.Current == 0 {
			t.Errorf("nothing is used: %+v", s)
		}
		want(t, "the system", r.OSType, "linux")
	}
	one(must(d.ContainerStats(ctx, id, false))(t))
	one(must(d.ContainerStats(ctx, id, true))(t))
	one(must(d.ContainerStatsOneShot(ctx, id))(t))
}

func (d drive) copy(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	done(t, d.CopyToContainer(ctx, id, "/tmp", archive(t, map[string]string{"f": "text"}), container.CopyToContainerOptions{}))
	st := must(d.ContainerStatPath(ctx, id, "/tmp/f"))(t)
	want(t, "its size", st.Size, 4)
	body, st, err := d.CopyFromContainer(ctx, id, "/tmp/f")
	done(t, err)
	want(t, "its name", st.Name, "f")
	r := tar.NewReader(body)
	must(r.Next())(t)
	want(t, "its text", string(must(io.ReadAll(r))(t)), "text")
	body.Close()
	// A file takes no directory's place, and what is copied may be the container's user's.
	err = d.CopyToContainer(ctx, id, "/", archive(t, map[string]string{"tmp": "a file"}), container.CopyToContainerOptions{})
	want(t, "a file over a directory is refused", errdefs.IsInvalidParameter(err), true)
	users := d.create(t, "", container.Config{Cmd: []string{"stat", "-c", "%u", "/tmp/f"}, User: "1001"}, container.HostConfig{})
	done(t, d.CopyToContainer(ctx, users, "/tmp", archive(t, map[string]string{"f": "text"}), container.CopyToContainerOptions{CopyUIDGID: true}))
	d.start(t, users)
	d.waited(t, users, container.WaitConditionNotRunning)
	owner, _ := streams(t, must(d.ContainerLogs(ctx, users, container.LogsOptions{ShowStdout: true}))(t))
	want(t, "its owner", owner, "1001\n")
	changed := must(d.ContainerDiff(ctx, id))(t)
	if !slices.ContainsFunc(changed, func(c container.FilesystemChange) bool { return c.Path == "/tmp/f" && c.Kind == container.ChangeAdd }) {
		t.Errorf("%+v", changed)
	}
	whole := tar.NewReader(must(d.ContainerExport(ctx, id))(t))
	for {
		h, err := whole.Next()
		done(t, err)
		if strings.TrimPrefix(h.Name, "./") == "tmp/f" {
			break
		}
	}
	_, err = d.ContainerStatPath(ctx, id, "/nothing")
	want(t, "not there", errdefs.IsNotFound(err), true)
}

func (d drive) networks(t *testing.T) {
	ctx, name := t.Context(), d.name("net")
	made := must(d.NetworkCreate(ctx, name, network.CreateOptions{Labels: map[string]string{"a": "b"}}))(t)
	t.Cleanup(func() { _ = d.NetworkRemove(context.Background(), name) })
	_, err := d.NetworkCreate(ctx, name, network.CreateOptions{})
	want(t, "a second one of the name conflicts", errdefs.IsConflict(err), true)
	told := must(d.NetworkInspect(ctx, made.ID, network.InspectOptions{}))(t)
	want(t, "its label", told.Labels["a"], "b")
	all := must(d.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))}))(t)
	if !slices.ContainsFunc(all, func(n network.Summary) bool { return n.ID == made.ID }) {
		t.Errorf("%+v", all)
	}
	id := d.create(t, "on-net", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{})
	d.start(t, id)
	done(t, d.NetworkConnect(ctx, name, id, &network.EndpointSettings{Aliases: []string{"other"}}))
	end := must(d.ContainerInspect(ctx, id))(t).NetworkSettings.Networks[name]
	if end == nil || end.NetworkID != made.ID || end.IPAddress == "" || !slices.Contains(end.Aliases, "other") {
		t.Errorf("its end is %+v", end)
	}
	if in := must(d.NetworkInspect(ctx, name, network.InspectOptions{}))(t).Containers[id]; in.Name != d.name("on-net") {
		t.Errorf("who is on it: %+v", in)
	}
	done(t, d.NetworkDisconnect(ctx, name, id, true))
	done(t, d.NetworkRemove(ctx, name))
	_, err = d.NetworkInspect(ctx, name, network.InspectOptions{})
	want(t, "not there", errdefs.IsNotFound(err), true)
	if !d.old {
		must(d.NetworksPrune(ctx, filters.NewArgs(filters.Arg("label", "nobody"))))(t)
	}
}

func (d drive) volumes(t *testing.T) {
	ctx, name := t.Context(), d.name("vol")
	made := must(d.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: map[string]string{"a": "b"}}))(t)
	t.Cleanup(func() { _ = d.VolumeRemove(context.Background(), name, true) })
	want(t, "its driver", made.Driver, "local")
	told := must(d.VolumeInspect(ctx, name))(t)
	want(t, "its label", told.Labels["a"], "b")
	all := must(d.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))}))(t)
	if !slices.ContainsFunc(all.Volumes, func(v *volume.Volume) bool { return v.Name == name }) {
		t.Errorf("%+v", all)
	}
	id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "echo x >/v/f"}}, container.HostConfig{Binds: []string{name + ":/v"}})
	d.start(t, id)
	want(t, "its exit code", d.waited(t, id, container.WaitConditionNotRunning), 0)
	err := d.VolumeRemove(ctx, name, false)
	want(t, "in use", errdefs.IsConflict(err), true)
	done(t, d.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true}))
	done(t, d.VolumeRemove(ctx, name, false))
	_, err = d.VolumeInspect(ctx, name)
	want(t, "not there", errdefs.IsNotFound(err), true)
	if !d.old {
		must(d.VolumesPrune(ctx, filters.NewArgs(filters.Arg("label", "nobody"))))(t)
	}
}

func (d drive) events(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mark := d.name("events")
	happens, failed := d.Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "container"), filters.Arg("label", "mark="+mark))})
	id := d.create(t, "", container.Config{Cmd: []string{"true"}, Labels: map[string]string{"mark": mark}}, container.HostConfig{})
	d.start(t, id)
	d.waited(t, id, container.WaitConditionNotRunning)
	d.remove(t, id)
	for _, action := range []events.Action{"create", "start", "die", "destroy"} {
		select {
		case e := <-happens:
			if e.Action != action || e.Actor.ID != id || e.TimeNano == 0 || e.Status != string(action) || e.Scope != "local" { //nolint:staticcheck // old clients read it
				t.Errorf("%+v, want %s", e, action)
			}
		case err := <-failed:
			t.Fatal(err)
		}
	}
}

// wait hears of the next exit, and of a removal, which was asked for before the start.
func (d drive) wait(t *testing.T) {
	if d.old {
		id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "exit 9"}}, container.HostConfig{})
		d.start(t, id)
		want(t, "its exit code", d.waited(t, id, ""), 9)
		return
	}
	for _, until := range []container.WaitCondition{container.WaitConditionNextExit, container.WaitConditionRemoved} {
		id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "exit 9"}}, container.HostConfig{AutoRemove: until == container.WaitConditionRemoved})
		ended, failed := d.ContainerWait(t.Context(), id, until)
		d.start(t, id)
		select {
		case e := <-ended:
			want(t, "its exit code", e.StatusCode, 9)
		case err := <-failed:
			t.Fatal(err)
		}
	}
}

// refusals are clean, of the kind that clients look for.
func (d drive) refusals(t *testing.T) {
	ctx := t.Context()
	_, err := d.NodeList(ctx, swarm.NodeListOptions{})
	want(t, "no swarm", errdefs.IsUnavailable(err), true)
	_, err = d.ServiceList(ctx, swarm.ServiceListOptions{})
	want(t, "no services", errdefs.IsUnavailable(err), true)
	_, err = d.ContainerCreate(ctx, &container.Config{Image: "no/such:image"}, nil, nil, nil, "")
	want(t, "no image", errdefs.IsNotFound(err), true)
	_, err = d.ContainerCreate(ctx, &container.Config{Image: d.base}, &container.HostConfig{NetworkMode: "nothing"}, nil, nil, "")
	want(t, "no network", errdefs.IsInvalidParameter(err), true) // clients pull the image where it is 404
	_, err = d.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("nothing", "x"))})
	want(t, "no filter", errdefs.IsInvalidParameter(err), true)
	err = d.ContainerKill(ctx, "nothing", "KILL")
	want(t, "no container", errdefs.IsNotFound(err), true)
}

// paths has what is hidden of the host, and what may not be written, be what is asked for.
func (d drive) paths(t *testing.T) {
	ctx := t.Context()
	id := d.create(t, "", container.Config{Cmd: []string{"sh", "-c", "wc -c </proc/uptime; touch /tmp/x; stty size"}, Tty: true}, container.HostConfig{
		MaskedPaths: []string{"/proc/uptime"}, ReadonlyPaths: []string{"/tmp"}, ConsoleSize: [2]uint{33, 99},
	})
	told := must(d.ContainerInspect(ctx, id))(t).HostConfig
	want(t, "masked", strings.Join(told.MaskedPaths, ","), "/proc/uptime")
	want(t, "read-only", strings.Join(told.ReadonlyPaths, ","), "/tmp")
	d.start(t, id)
	d.waited(t, id, container.WaitConditionNotRunning)
	out := text(t, must(d.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true}))(t))
	has(t, out, "0\r\ntouch: /tmp/x: Read-only file system")
	if !d.old { // whose client leaves the size out
		has(t, out, "33 99")
	}
	// What inspect tells makes the same container again, as programs do that renew one.
	again := d.create(t, "", container.Config{Cmd: []string{"true"}}, *told)
	d.start(t, again)
}
