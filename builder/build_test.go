package builder

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cove/builder/command"
	"cove/errdefs"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"app.conf": "conf", "src/main.go": "package main", "src/sub/x.go": "x"})
	df := `FROM base AS build
WORKDIR /src
COPY src .
RUN write /out/app binary
FROM base
COPY app.conf /etc/app/
COPY --from=build /out/app /usr/bin/app
RUN write /etc/extra more
ENTRYPOINT ["/usr/bin/app"]
`
	b := w.must(df)
	for path, want := range map[string]string{
		"etc/app/app.conf": "644 0:0 conf", "usr/bin/app": "644 0:0 binary", "etc/extra": "644 0:0 more", "bin/sh": "755 0:0 shell",
		"etc/app": "755 0:0 dir",
	} {
		if b.files[path] != want {
			t.Errorf("%s is %q, want %q", path, b.files[path], want)
		}
	}
	for path := range b.files {
		if slices.Contains([]string{"src", "out"}, path) {
			t.Errorf("the image has %s", path)
		}
	}
	if len(b.manifest.Layers) != 4 {
		t.Errorf("%d layers, want 4", len(b.manifest.Layers))
	}
	if got := w.exec.ran(); !slices.Equal(got, []string{"unpack base", "write /etc/extra more", "write /out/app binary"}) {
		t.Errorf("ran %q", got)
	}
	again := w.must(df)
	if len(w.exec.ran()) != 0 || again.Cached != again.Steps {
		t.Errorf("the second build ran %q; %d of %d steps cached", w.exec.ran(), again.Cached, again.Steps)
	}
	if again.Image().Target.Digest != b.Image().Target.Digest {
		t.Error("the second build made another image")
	}
	stage := w.must(df, func(r *Request) { r.Target = "build" })
	if stage.files["src/sub/x.go"] != "644 0:0 x" || len(w.exec.ran()) != 0 {
		t.Errorf("the stage: %q, ran %q", stage.files["src/sub/x.go"], w.exec.ran())
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.build("FROM base\nRUN <<E\necho compiling\necho broken\nexit 2\nE\n")
	if err == nil || err.Error() != "stdin:2: RUN <<E: exit code: 2" {
		t.Fatalf("%v", err)
	}
	if exit := (*ExitError)(nil); !errors.As(err, &exit) || exit.Code != 2 {
		t.Errorf("%T is no *ExitError", err)
	}
	if failed := (*command.Error)(nil); !errors.As(err, &failed) ||
		!slices.Equal(failed.Tail, []string{"compiling", "broken"}) {
		t.Errorf("the error carries what the command wrote as %+v", failed)
	}
	w.must("FROM base\nRUN true\n")
}

func TestMissingSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{".dockerignore": "*.log\n!keep.log\n", "a.log": "x", "keep.log": "y"})
	for df, want := range map[string]string{
		"FROM base\nCOPY nope /\n":                            `stdin:2: COPY nope /: "nope": not found in the build context`,
		"FROM base\nCOPY a.log /\n":                           `stdin:2: COPY a.log /: "a.log": not found in the build context; excluded by .dockerignore (rule "*.log")`,
		"FROM base\nCOPY --from=base /x /y\n":                 `"x": not found in the filesystem copied from`,
		"FROM scratch AS s\nFROM base\nCOPY --from=s /x /y\n": `which is empty`,
	} {
		if _, err := w.build(df); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%q: %v\nwant %s", df, err, want)
		}
	}
	if b := w.must("FROM base\nCOPY *.log /logs/\n"); b.files["logs/keep.log"] == "" || b.files["logs/a.log"] != "" {
		t.Error("the pattern did not respect .dockerignore")
	}
}
