package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hunted is an input of a build that changes.
type hunted struct {
	name string
	df   string // what is built after FROM base
	then string // what is built then, if that is what changes
	// change is what changes in the context or the request.
	change func(w *world, r *Request) error
	hit    bool // every step is known
}

// TestCacheHunt changes one input of a build and builds again: what is known then are all
// steps if and only if the change means nothing, and what comes of it is what a builder
// that knows nothing makes.
func TestCacheHunt(t *testing.T) {
	t.Parallel()
	in := func(fn func(dir string) error) func(*world, *Request) error {
		return func(w *world, _ *Request) error { return fn(w.dir) }
	}
	mode := func(name string, mode os.FileMode) func(*world, *Request) error {
		return in(func(d string) error { return os.Chmod(filepath.Join(d, name), mode) })
	}
	text := func(name, text string) func(*world, *Request) error {
		return in(func(d string) error { return os.WriteFile(filepath.Join(d, name), []byte(text), 0o644) })
	}
	arg := func(name, value string) func(*world, *Request) error {
		return func(_ *world, r *Request) error { r.BuildArgs = map[string]string{name: value}; return nil }
	}
	for _, h := range []hunted{
		// Modes.
		{name: "the mode of a file whose mode is given", df: "COPY --chmod=644 f /f", change: mode("f", 0o755), hit: true},
		{name: "the modes of files whose mode is given", df: "COPY --chmod=644 d /d", change: mode("d/a", 0o600), hit: true},
		{name: "the mode of a directory whose mode is given", df: "COPY --chmod=755 d /d", change: mode("d/s", 0o700), hit: true},
		{name: "the mode of a file that is given words for all", df: "COPY --chmod=u=rw,go=r f /f", change: mode("f", 0o600), hit: true},
		{name: "the mode of a file that is given a bit", df: "COPY --chmod=u+x f /f", change: mode("f", 0o600)},
		{name: "the bit that is given", df: "COPY --chmod=+x f /f", change: mode("f", 0o755), hit: true},
		{name: "what X looks at", df: "COPY --chmod=a+X f /f", change: mode("f", 0o744)},
		{name: "the mode of an archive's file", df: "ADD --chmod=600 a.tar /", change: mode("a.tar", 0o600), hit: true},
		{name: "a mode in an ADD", df: "ADD --chmod=600 f /", change: mode("f", 0o755), hit: true},
		{name: "set-user-ID", df: "COPY f /f", change: mode("f", 0o644|os.ModeSetuid)},
		{name: "sticky", df: "COPY d /d", change: mode("d/s", 0o755|os.ModeSticky)},
		{name: "the mode of the directory whose contents are copied", df: "COPY d /d", change: mode("d", 0o700), hit: true},
		{name: "the mode of the context", df: "COPY . /d", change: mode(".", 0o700), hit: true},
		{name: "the mode of a parent that is copied", df: "COPY --parents d/s/b /x/", change: mode("d", 0o700)},
		{name: "the mode of a parent that is not", df: "COPY d/s/b /x/", change: mode("d", 0o700), hit: true},
		{name: "the mode that is given", df: "COPY --chmod=644 f /f", then: "COPY --chmod=600 f /f"},
		{name: "the mode in other words", df: "COPY --chmod=644 f /f", then: "COPY --chmod=0644 f /f", hit: true},
		// Owners.
		{name: "an owner in a stage", df: "COPY --chown=5 f /f\nFROM scratch\nCOPY --from=0 /f /g", then: "COPY --chown=6 f /f\nFROM scratch\nCOPY --from=0 /f /g"},
		{name: "an owner here", df: "COPY d /d", change: in(func(d string) error { return os.Chown(filepath.Join(d, "d/a"), 7, 8) }), hit: true},
		{name: "the owner that is given", df: "COPY --chown=5 f /f", then: "COPY --chown=6 f /f"},
		{name: "the owner by another name", df: "COPY --chown=5 f /f", then: "COPY --chown=5:5 f /f", hit: true},
		// Links.
		{name: "where a link points", df: "COPY l /l/\nCOPY . /all", change: in(func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "l")), os.Symlink("g", filepath.Join(d, "l")))
		})},
		{name: "a link by another way", df: "COPY l /x", change: in(func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "l")), os.Symlink("./d/../f", filepath.Join(d, "l")))
		}), hit: true},
		{name: "a link in place of what it points to", df: "COPY l /x", change: in(func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "l")), os.WriteFile(filepath.Join(d, "l"), []byte("F"), 0o644))
		}), hit: true},
		{name: "two names of one file", df: "COPY d /d", change: in(func(d string) error {
			return errors.Join(os.WriteFile(filepath.Join(d, "d/a"), []byte("B"), 0o644), os.Remove(filepath.Join(d, "d/s/b")),
				os.Link(filepath.Join(d, "d/a"), filepath.Join(d, "d/s/b")))
		})},
		{name: "a name elsewhere of a file", df: "COPY d /d", change: in(func(d string) error {
			return os.Link(filepath.Join(d, "d/a"), filepath.Join(d, "other"))
		}), hit: true},
		// Attributes, times and holes.
		{name: "an attribute", df: "COPY f /f", change: in(func(d string) error {
			return unix.Setxattr(filepath.Join(d, "f"), "security.capability",
				[]byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
		})},
		{name: "the time of a link", df: "COPY . /all", change: in(func(d string) error {
			at := []unix.Timespec{{Sec: 5}, {Sec: 5}}
			return unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(d, "l"), at, unix.AT_SYMLINK_NOFOLLOW)
		}), hit: true},
		{name: "the time of a directory", df: "COPY d /d", change: in(func(d string) error {
			return os.Chtimes(filepath.Join(d, "d/s"), time.Unix(5, 0), time.Unix(5, 0))
		}), hit: true},
		{name: "a hole", df: "COPY hole /h", change: in(func(d string) error {
			p := filepath.Join(d, "hole")
			return errors.Join(os.Remove(p), os.WriteFile(p, nil, 0o644), os.Truncate(p, 1<<20))
		}), hit: true},
		// Names.
		{name: "the case of a name", df: "COPY d /d", change: in(func(d string) error {
			return os.Rename(filepath.Join(d, "d/a"), filepath.Join(d, "d/A"))
		})},
		{name: "the form of a letter", df: "COPY ü* /d/", change: in(func(d string) error {
			return os.Rename(filepath.Join(d, "ü"), filepath.Join(d, "u\u0308"))
		})},
		{name: "a file that a pattern matches now", df: "COPY d/* /d/", change: text("d/new", "n")},
		{name: "a file that no pattern matches", df: "COPY d/a* /d/", change: text("d/new", "n"), hit: true},
		{name: "a file that is excluded", df: "COPY --exclude=new d /d/", change: text("d/new", "n"), hit: true},
		{name: "a file that is ignored", df: "COPY . /d/", change: text("x.log", "n"), hit: true},
		{name: "rules that ignore nothing more", df: "COPY d /d", change: text(".dockerignore", "*.log\nnone\n"), hit: true},
		{name: "rules that ignore more", df: "COPY d /d", change: text(".dockerignore", "*.log\nd/a\n")},
		{name: "a path in other words", df: "COPY f /x/f", then: "COPY ./d/../f /x/./f", hit: true},
		{name: "an absolute path", df: "COPY f /x/f", then: "COPY /f /x/f", hit: true},
		{name: "a path by a variable", df: "COPY f /x/f", then: "ARG A=f\nCOPY $A /x/$A", hit: true},
		{name: "the directory that a path is relative to", df: "WORKDIR /w\nCOPY f f", then: "WORKDIR /v\nCOPY f f"},
		{name: "a file in place of a directory", df: "COPY d /d", change: in(func(d string) error {
			return errors.Join(os.RemoveAll(filepath.Join(d, "d/s")), os.WriteFile(filepath.Join(d, "d/s"), nil, 0o644))
		})},
		{name: "an empty directory elsewhere", df: "COPY d /d", change: in(func(d string) error {
			return os.Mkdir(filepath.Join(d, "new"), 0o755)
		}), hit: true},
		// Contexts.
		{name: "another directory", df: "COPY d /d\nCOPY f /f", change: func(w *world, r *Request) error {
			r.Context = w.t.TempDir()
			return os.CopyFS(r.Context, os.DirFS(w.dir))
		}, hit: true},
		{name: "a link to the directory", df: "COPY d /d", change: func(w *world, r *Request) error {
			r.Context = filepath.Join(w.t.TempDir(), "link")
			return os.Symlink(w.dir, r.Context)
		}, hit: true},
		{name: "a named context of the same", df: "COPY --from=n f /f", change: func(w *world, r *Request) error {
			dir := w.t.TempDir()
			r.Contexts = map[string]string{"n": dir}
			return os.WriteFile(filepath.Join(dir, "f"), []byte("F"), 0o644)
		}, hit: true},
		{name: "a named context of other files", df: "COPY --from=n f /f", change: func(w *world, r *Request) error {
			dir := w.t.TempDir()
			r.Contexts = map[string]string{"n": dir}
			return os.WriteFile(filepath.Join(dir, "f"), []byte("other"), 0o644)
		}},
		// Text.
		{name: "a directive", df: "RUN write a b", then: "RUN write a b\n# check=skip=all", hit: true},
		{name: "the ends of lines", df: "COPY f /f\nRUN write a b\n", then: "COPY f /f\r\nRUN write a b\r\n", hit: true},
		{name: "a comment in a command", df: "RUN write a \\\n b", then: "RUN write a \\\n# c\n b", hit: true},
		{name: "variables on one line", df: "ENV A=1\nENV B=2\nRUN env out", then: "ENV A=1 B=2\nRUN env out", hit: true},
		{name: "a variable of the same value", df: "ENV A=1\nRUN env out", then: "ARG X=1\nENV A=1\nRUN env out", hit: false},
		{name: "a shell and back", df: "RUN write a b", then: "SHELL [\"x\"]\nSHELL [\"/bin/sh\", \"-c\"]\nRUN write a b", hit: true},
		{name: "a directory and back", df: "WORKDIR /\nRUN write a b", then: "USER 5\nUSER 0\nWORKDIR /\nRUN write a b", hit: false},
		{name: "the exec form", df: "RUN write a b", then: "RUN [\"/bin/sh\", \"-c\", \"write a b\"]", hit: true},
		{name: "a heredoc's text", df: "RUN <<E\nwrite a b\nE", then: "RUN <<E\nwrite a c\nE"},
		{name: "a heredoc's variable", df: "ARG A=1\nCOPY <<E /x\n$A\nE", change: arg("A", "2")},
		{name: "a heredoc's variable that is quoted", df: "ARG A=1\nCOPY <<'E' /x\n$A\nE", change: arg("A", "2"), hit: true},
		{name: "a heredoc's name", df: "COPY <<E /x\nt\nE", then: "COPY <<F /x\nt\nF"}, // /x may be a directory
		{name: "settings", df: "RUN write a b", then: "EXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nCMD x\nENTRYPOINT y\nMAINTAINER z\nONBUILD RUN q\nLABEL k=v\nRUN write a b", hit: true},
		{name: "settings after", df: "RUN write a b", then: "RUN write a b\nUSER 7\nENV A=1\nEXPOSE 80", hit: true},
		// Arguments.
		{name: "an argument that a command may read", df: "ARG A=1\nRUN write a b", change: arg("A", "2")},
		{name: "an argument after a command", df: "RUN write a b\nARG A=1", change: arg("A", "2"), hit: true},
		{name: "an argument that a file is named by", df: "ARG A=f\nCOPY $A /x", change: arg("A", "g")},
		{name: "an argument of which it counts that there is one", df: "ARG A=1\nCOPY ${A:+f} /x", change: arg("A", "2"), hit: true},
		{name: "an argument that the environment hides", df: "ARG A=1\nENV A=3\nRUN env out", change: arg("A", "2"), hit: true},
		{name: "an argument of the builder", df: "RUN write a b", change: arg("BUILDKIT_INLINE_CACHE", "1"), hit: true},
		{name: "a proxy in small letters", df: "RUN write a b", change: arg("https_proxy", "x"), hit: true},
		{name: "an argument as its default says", df: "ARG A=1\nRUN env out", change: arg("A", "1"), hit: true},
		{name: "an argument of another stage", df: "FROM base\nARG A=1\nFROM base\nRUN env out", change: arg("A", "2"), hit: true},
		// Mounts.
		{name: "a file beside what is mounted", df: "RUN --mount=source=d/s,target=/m write x y", change: text("d/a", "new"), hit: true},
		{name: "a file that is mounted", df: "RUN --mount=source=d/s,target=/m write x y", change: text("d/s/b", "new")},
		{name: "a mode that is mounted", df: "RUN --mount=source=d,target=/m write x y", change: mode("d/a", 0o600)},
		{name: "that a mount may be written to", df: "RUN --mount=source=d,target=/m write x y", then: "RUN --mount=source=d,target=/m,rw write x y"},
		{name: "the default of a mount", df: "RUN --mount=source=d,target=/m write x y", then: "RUN --mount=type=bind,src=./d,dst=/m/,ro=true write x y", hit: true},
		{name: "the size of a tmpfs", df: "RUN --mount=type=tmpfs,target=/m,size=1m write x y", then: "RUN --mount=type=tmpfs,target=/m,size=2m write x y"},
		{name: "the id of a cache", df: "RUN --mount=type=cache,target=/m write x y", then: "RUN --mount=type=cache,target=/m,id=o write x y"},
		{name: "the id of a cache that is its target", df: "RUN --mount=type=cache,target=/m write x y", then: "RUN --mount=type=cache,target=/m,id=/m write x y", hit: true},
		{name: "the owner of a cache", df: "RUN --mount=type=cache,target=/m write x y", then: "RUN --mount=type=cache,target=/m,uid=5 write x y"},
		{name: "the mode of a secret", df: "RUN --mount=type=secret,id=s write x y", then: "RUN --mount=type=secret,id=s,mode=0444 write x y"},
		{name: "a secret that comes", df: "RUN --mount=type=secret,id=s write x y", change: func(_ *world, r *Request) error {
			r.Secrets = map[string][]byte{"s": []byte("a secret value")}
			return nil
		}, hit: true},
		{name: "the order of mounts", df: "RUN --mount=type=tmpfs,target=/m --mount=type=tmpfs,target=/n write x y", then: "RUN --mount=type=tmpfs,target=/n --mount=type=tmpfs,target=/m write x y"},
		// Stages.
		{name: "a stage that makes the same", df: "RUN write a b\nFROM base\nCOPY --from=0 /a /a", then: "RUN write a x\nRUN write a b\nFROM base\nCOPY --from=0 /a /a"},
		{name: "a stage's other files", df: "RUN write a b\nFROM scratch\nCOPY --from=0 /a /a", then: "RUN write z b\nRUN write a b\nFROM scratch\nCOPY --from=0 /a /a"},
		{name: "a stage's name", df: "FROM base AS x\nCOPY f /f\nFROM base\nCOPY --from=x /f /f", then: "FROM base AS y\nCOPY f /f\nFROM base\nCOPY --from=y /f /f", hit: true},
		{name: "a stage by number", df: "FROM base AS x\nCOPY f /f\nFROM base\nCOPY --from=x /f /f", then: "FROM base AS x\nCOPY f /f\nFROM base\nCOPY --from=1 /f /f", hit: true},
		{name: "the base", df: "COPY f /f\nRUN write a b", then: "FROM owned\nCOPY f /f\nRUN write a b"},
		{name: "an archive's bytes", df: "ADD a.tar /", change: func(w *world, _ *Request) error {
			return os.WriteFile(filepath.Join(w.dir, "a.tar"), tarOf(w.t, "x", "z"), 0o644)
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.hunt(t)
		})
	}
}

func (h hunted) hunt(t *testing.T) {
	w := newWorld(t)
	w.write(map[string]string{
		"f": "F", "g": "G", "d/a": "A", "d/s/b": "B", "l -> f": "", "ü": "u", ".dockerignore": "*.log\n",
		"hole": strings.Repeat("\x00", 1<<20),
	})
	if err := os.WriteFile(filepath.Join(w.dir, "a.tar"), tarOf(t, "x", "y"), 0o644); err != nil {
		t.Fatal(err)
	}
	epoch := func(r *Request) { at := time.Unix(1e9, 0); r.Epoch = &at }
	named := func(r *Request) { r.Contexts = map[string]string{"n": w.dir} }
	before := w.must("FROM base\n"+h.df+"\n", epoch, named)
	df, change := h.df, func(*Request) {}
	if h.then != "" {
		df = h.then
	}
	if h.change != nil {
		changed := Request{Context: w.dir}
		if err := h.change(w, &changed); err != nil {
			t.Fatal(err)
		}
		change = func(r *Request) {
			r.Context, r.BuildArgs, r.Secrets = changed.Context, changed.BuildArgs, changed.Secrets
			if changed.Contexts != nil {
				r.Contexts = changed.Contexts
			}
		}
	}
	after := w.must("FROM base\n"+df+"\n", epoch, named, change)
	if hit := after.Cached == after.Steps; hit != h.hit {
		t.Errorf("%d of %d steps are known, want all: %t", after.Cached, after.Steps, h.hit)
	}
	fresh := newWorld(t).must("FROM base\n"+df+"\n", func(r *Request) { r.Context = w.dir }, epoch, named, change)
	if !slices.Equal(after.config.RootFS.DiffIDs, fresh.config.RootFS.DiffIDs) {
		t.Errorf("what knows nothing makes other files:\n%v\nand not\n%v", fresh.files, after.files)
	}
	if h.hit && !slices.Equal(after.config.RootFS.DiffIDs, before.config.RootFS.DiffIDs) {
		t.Errorf("all is known, and the files are others:\n%v\nafter\n%v", after.files, before.files)
	}
}

// TestCacheOfAStream: the same files in an archive on standard input are the same.
func TestCacheOfAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"d/a": "A", "d/l -> a": "", "Dockerfile": "FROM base\nCOPY d /d\nRUN write x y\n"})
	file := func(r *Request) { r.Dockerfile, r.Stdin = "Dockerfile", nil }
	w.must("", file)
	var body bytes.Buffer
	tw := tar.NewWriter(&body)
	if err := tw.AddFS(os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	b := w.must("", file, func(r *Request) { r.Context, r.Stdin = "-", io.Reader(&body) })
	if b.Cached != b.Steps {
		t.Errorf("%d of %d steps are known", b.Cached, b.Steps)
	}
}
