package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func TestRunEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got ExecRequest
	w.exec.hook = func(r ExecRequest) error { got = r; return nil }
	b := w.must("FROM base\nARG A=1\nENV E=2\nUSER app:web\nWORKDIR /w\nRUN --network=none env /env\n", func(r *Request) {
		r.BuildArgs = map[string]string{"HTTP_PROXY": "http://proxy", "A": "given"}
	})
	want := []string{"PATH=/bin", "A=given", "E=2", "HTTP_PROXY=http://proxy"}
	if !slices.Equal(got.Env, want) || got.Cwd != "/w" || got.User != "app:web" || got.Network != "none" {
		t.Errorf("%q in %s as %s, network %s", got.Env, got.Cwd, got.User, got.Network)
	}
	if strings.Contains(fmt.Sprint(b.config), "proxy") {
		t.Error("the proxy is in the image")
	}
	if !slices.Equal(b.config.Config.Env, []string{"PATH=/bin", "E=2"}) {
		t.Errorf("the image's environment is %q", b.config.Config.Env)
	}
	last := b.config.History[len(b.config.History)-1]
	if last.CreatedBy != "RUN |1 A=given /bin/sh -c env /env" || last.EmptyLayer {
		t.Errorf("history: %+v", last)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	canary := "hunter2-" + strings.Repeat("x", 40)
	give := func(r *Request) { r.Secrets = map[string][]byte{"key": []byte(canary + "\n")} }
	var mode os.FileMode
	w.exec.hook = func(r ExecRequest) error {
		m, ok := mountAt(r, "/run/secrets/key")
		if !ok {
			return errors.New("no secret")
		}
		st, err := os.Stat(m.Source)
		if err == nil {
			mode = st.Mode()
		}
		return err
	}
	b := w.must("FROM base\nRUN --mount=type=secret,id=key,env=TOKEN,target=/run/secrets/key true\n", give)
	if mode != 0o400 {
		t.Errorf("the secret has mode %o", mode)
	}
	if _, ok := b.files["run"]; ok {
		t.Error("the secret's mountpoint is in the image")
	}
	_, err := w.build("FROM base\nRUN --mount=type=secret,id=key secret /run/secrets/key /leak\n", give)
	if !errors.Is(err, errdefs.ErrDenied) || strings.Contains(err.Error(), canary) {
		t.Errorf("a secret went into a layer: %v", err)
	}
	w.exec.hook = nil
	if _, err := w.build("FROM base\nRUN --mount=type=secret,id=key,required=true true\n"); err == nil || !strings.Contains(err.Error(), `the secret "key" is required`) {
		t.Error(err)
	}
	w.must("FROM base\nRUN --mount=type=secret,id=key true\nRUN write /x 1\n")
	// Nothing that a build leaves behind holds the value.
	for _, dir := range []string{w.builder.cfg.Root, "/dev/shm"} {
		_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(dir, "/dev") && !strings.Contains(p, "cove-build-") {
				return nil //nolint:nilerr // others' files come and go
			}
			if data, err := os.ReadFile(p); err == nil && strings.Contains(string(data), canary) {
				t.Errorf("%s holds the secret", p)
			}
			return nil
		})
	}
}

// TestSecretsLeaveNoOtherWay: not by COPY, not by what a step prints, and not by
// what the image says of itself.
func TestSecretsLeaveNoOtherWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	canary := `hunter2-"quoted"-` + strings.Repeat("x", 20)
	give := func(r *Request) {
		r.Secrets = map[string][]byte{"key": []byte(canary + "\n")}
		r.BuildArgs = map[string]string{"TOKEN": canary, "HTTP_PROXY": "http://" + canary + "@proxy"}
		r.Labels = map[string]string{"fine": "yes"}
	}
	w.write(map[string]string{"plain": "before " + canary + " after\n", "dir/deep/copy": canary, "fine": "nothing"})
	for _, src := range []string{
		"COPY plain /x", "COPY dir /x", "ADD --chown=1 dir/deep/copy /x", "COPY --link plain /x", "COPY <<E /x\n" + canary + "\nE",
		"ARG TOKEN\nRUN true", "ARG TOKEN\nENV A=a$TOKEN", "ARG TOKEN\nLABEL a=$TOKEN", "ARG TOKEN\nCMD [\"x\", \"--token=" + `hunter2-\"quoted\"-` + strings.Repeat("x", 20) + "\"]",
		"ARG TOKEN", "RUN <<E\n" + canary + "\nE",
	} {
		_, err := w.build("FROM base\n"+src+"\n", give)
		if !errors.Is(err, errdefs.ErrDenied) || strings.Contains(errorText(err), canary) {
			t.Errorf("%s: %v", src, err)
		}
	}
	w.must("FROM base\nCOPY fine /x\nRUN true\n", give)
	w.must("FROM base AS other\nCOPY plain /x\nFROM base\nCOPY fine /x\n", give) // a stage that is not built
	w.events = nil
	w.must("FROM base\nRUN --mount=type=secret,id=key print /run/secrets/key\n", give)
	if out := strings.Join(w.events, ""); strings.Contains(out, canary) || !strings.Contains(out, "***") {
		t.Errorf("printed: %q", out)
	}
}

// errorText is an error without the instruction, which the author wrote.
func errorText(err error) string {
	if at := (*Error)(nil); errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

func TestCacheMount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := 0
	w.exec.hook = func(r ExecRequest) error {
		m, ok := mountAt(r, "/c")
		if !ok {
			return errors.New("no cache mount")
		}
		p := filepath.Join(m.Source, "n")
		old, _ := os.ReadFile(p)
		count = len(old)
		return os.WriteFile(p, append(old, '.'), 0o644)
	}
	df := "FROM base\nRUN --mount=type=cache,id=x,target=/c,sharing=%s,uid=7,mode=0750,from=owned write /x %d\n"
	for i, sharing := range []string{"shared", "locked", "private"} {
		b := w.must(fmt.Sprintf(df, sharing, i))
		if count != i {
			t.Errorf("%s: the cache has seen %d builds, want %d", sharing, count, i)
		}
		if _, ok := b.files["c"]; ok {
			t.Error("the mountpoint is in the image")
		}
	}
	files, _ := filepath.Glob(filepath.Join(w.builder.cfg.Root, "mounts", "*", "files"))
	if len(files) != 1 {
		t.Fatalf("cache mounts: %q", files)
	}
	st, err := os.Stat(files[0])
	if err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	if data, _ := os.ReadFile(filepath.Join(files[0], "owned")); string(data) != "o" {
		t.Error("the cache did not begin with what from= names")
	}
}

func TestBindMounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"dir/f": "F", "dir/hidden.log": "H", "file": "x", ".dockerignore": "**/*.log"})
	w.exec.hook = func(r ExecRequest) error {
		for target, want := range map[string]string{"/d": "F", "/f": "x", "/t": "o"} {
			m, ok := mountAt(r, target)
			if !ok {
				return fmt.Errorf("nothing at %s", target)
			}
			p := m.Source
			if target == "/d" {
				p = filepath.Join(p, "f")
				if _, err := os.Stat(filepath.Join(m.Source, "hidden.log")); err == nil {
					return errors.New("an ignored file is mounted")
				}
				if err := os.WriteFile(filepath.Join(m.Source, "new"), nil, 0o644); err != nil {
					return err
				}
			}
			if data, err := os.ReadFile(p); string(data) != want || err != nil {
				return fmt.Errorf("%s: %q %w", target, data, err)
			}
			if strings.HasPrefix(p, w.dir) {
				return errors.New("the user's own directory is mounted")
			}
		}
		return nil
	}
	w.must("FROM base\nRUN --mount=source=dir,target=/d,rw --mount=source=file,target=/f --mount=from=owned,source=/owned,target=/t true\n")
	if _, err := os.Stat(filepath.Join(w.dir, "dir/new")); err == nil {
		t.Error("a RUN wrote into the context")
	}
	if _, err := w.build("FROM base\nRUN --mount=from=owned,source=/nope,target=/t true\n"); err == nil || !strings.Contains(err.Error(), `"nope" is not in what is mounted`) {
		t.Error(err)
	}
}

// TestStagesRunAtOnce: two stages that need nothing of each other are executed
// at the same time, also their failure ends the other.
func TestStagesRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var both sync.WaitGroup
	both.Add(2)
	w.exec.hook = func(r ExecRequest) error {
		if strings.Contains(r.Args[2], "/meet") {
			both.Done()
			both.Wait() // ends only when both are here
		}
		return nil
	}
	w.must("FROM base AS a\nRUN write /meet1 x\nFROM base AS b\nRUN write /meet2 x\nFROM scratch\nCOPY --from=a /meet1 /\nCOPY --from=b /meet2 /\n")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.exec.hook = func(ExecRequest) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	w.exec.reset()
	_, err := w.builder.Build(ctx, Request{Context: w.dir, Dockerfile: "-", Stdin: strings.NewReader("FROM base\nRUN true\n")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.checkClean()
	for ref, err := range w.store.Leased(t.Context()) {
		t.Errorf("a lease on %s is left: %v", ref, err)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec.hook = func(ExecRequest) error { return &os.PathError{Op: "write", Path: "/x", Err: unix.ENOSPC} }
	_, err := w.build("FROM base\nRUN true\n")
	if s, _ := errdefs.SuggestionFor(err); !errors.Is(err, errdefs.ErrExhausted) || s.Do != errdefs.Prune {
		t.Errorf("%v, suggesting %+v", err, s)
	}
}

func TestContextFromStdin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var b strings.Builder
	b.Write(tarOf(t, "a", "d/", "d/b"))
	req := Request{Context: "-", Dockerfile: "d/b", Stdin: strings.NewReader(b.String())}
	if _, err := w.builder.Build(t.Context(), req); err == nil || !strings.Contains(err.Error(), "d/b:1: data: ") {
		t.Errorf("%v", err) // the archive's file is no Dockerfile, but it was found
	}
	req = Request{Context: "-", Stdin: strings.NewReader("FROM base\nCOPY <<E /x\nhi\nE\n")}
	res, err := w.builder.Build(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.read(res); got.files["x"] != "644 0:0 hi\n" {
		t.Errorf("%q", got.files["x"])
	}
	if err := res.Lease.Release(); err != nil {
		t.Error(err)
	}
	w.checkClean()
	for _, req := range []Request{{}, {Context: "-"}, {Context: "-", Dockerfile: "-", Stdin: strings.NewReader("")}, {Context: filepath.Join(w.dir, "nope")}, {Context: w.dir}} {
		if _, err := w.builder.Build(t.Context(), req); err == nil {
			t.Errorf("%+v was built", req)
		}
	}
}

func TestManyBuilds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "1"})
	var wg sync.WaitGroup
	digests := make([]string, 8)
	for i := range digests {
		wg.Go(func() {
			res, err := w.builder.Build(t.Context(), Request{
				Context: w.dir, Dockerfile: "-", Epoch: new(time.Time),
				Stdin: strings.NewReader("FROM base\nCOPY a /a\nWORKDIR /w\nRUN write /x y\nCOPY a /b\n"),
			})
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = res.Image().Target.Digest.String()
			if err := res.Lease.Release(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if slices.Sort(digests); digests[0] != digests[len(digests)-1] {
		t.Errorf("one build made several images: %q", digests)
	}
	w.checkClean()
}

// TestRunMakesAWhiteoutsName: what a layer cannot hold fails the step that makes
// it, whether its files or only its layer are needed.
func TestRunMakesAWhiteoutsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"/w/.wh.foo", "/.wh.x", "/w/.wh..wh..opq", "/.wh.d/in", "/w/.wh."} {
		for _, more := range []string{"", "RUN write /more x\n"} {
			_, err := w.build("FROM base\nRUN write " + name + " x\n" + more)
			if err == nil || !strings.Contains(err.Error(), "begins with .wh. says in a layer that a file is deleted") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if b := w.must("FROM base\nRUN write /w/x.wh.y x\n"); b.files["w/x.wh.y"] == "" {
		t.Error("a name that only holds the letters was refused or lost")
	}
	w.checkClean()
}
