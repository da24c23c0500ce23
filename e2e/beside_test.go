package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/bench/fetch"
)

// TestBesideBuildKit builds Dockerfiles that nobody wrote with BuildKit and with cove: what both
// build has the same files, config and history, and what one refuses the other does.
// BESIDE_FIRST and BESIDE_COUNT say which of them, by their numbers.
func TestBesideBuildKit(t *testing.T) {
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("builds hundreds of images twice: make soak")
	}
	k := newShell(t)
	kit := startBuildKit(t, k)
	number := func(name string, usual uint64) uint64 {
		if n, err := strconv.ParseUint(os.Getenv(name), 10, 32); err == nil {
			return n
		}
		return usual
	}
	first, count := number("BESIDE_FIRST", 1), number("BESIDE_COUNT", 400)
	var built, refused uint64
	for n := first; n < first+count; n++ {
		g := &writer{Rand: rand.New(rand.NewPCG(n, 0)), dir: filepath.Join(k.work, fmt.Sprint("context", n))}
		g.context(t)
		text := g.dockerfile()
		if err := os.WriteFile(filepath.Join(g.dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		theirs, theirErr := kit.build(g.dir)
		ours, ourErr := k.image("cove build -q -o type=oci,dest=cove.tar "+g.dir, "cove.tar")
		switch {
		case theirErr == nil && ourErr == nil:
			built++
			for _, d := range differences(theirs, ours) {
				t.Errorf("Dockerfile %d:\n%s\n%s", n, text, d)
			}
		case theirErr != nil && ourErr != nil, theirErr != nil && goesFurther.MatchString(theirErr.Error()):
			refused++
		default:
			t.Errorf("Dockerfile %d:\n%s\nBuildKit: %v\ncove: %v", n, text, theirErr, ourErr)
		}
		if err := os.RemoveAll(g.dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d built alike, %d refused by both", built, refused)
	if built < count/10 {
		t.Error("too few were built to say anything")
	}
}

// goesFurther is what BuildKit says where the order of sources decides whether it can copy a
// directory onto what they made, at all of which cove looks first, and of links that lead
// nowhere, which cove copies.
var goesFurther = regexp.MustCompile(`cannot copy to non-directory|cannot replace to directory|": not found`)

// image is what is compared of one.
type image struct {
	config  ocispec.ImageConfig
	history []string
	files   map[string]string
}

// image builds into an archive of an OCI layout, and reads that.
func (k *shell) image(command, archive string) (*image, error) {
	out, err := k.command(command).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return readImage(filepath.Join(k.work, archive))
}

type buildKit struct {
	k    *shell
	base string
}

func startBuildKit(t *testing.T, k *shell) *buildKit {
	t.Helper()
	tools, err := filepath.Abs("../.cache/tools")
	if err != nil {
		t.Fatal(err)
	}
	if err := fetch.BuildKit(t.Context(), tools); err != nil {
		t.Fatal(err)
	}
	k.do("cove import -c 'ENV B=base' -c 'LABEL of=base' rootfs.tar base && cove save -o base.tar base && mkdir base && tar -C base -xf base.tar")
	var index ocispec.Index
	body, err := os.ReadFile(filepath.Join(k.work, "base/index.json"))
	if err == nil {
		err = json.Unmarshal(body, &index)
	}
	if err != nil || len(index.Manifests) != 1 {
		t.Fatal(err, len(index.Manifests))
	}
	daemon := k.command("exec " + tools + "/buildkitd --addr unix://$PWD/kit.sock --root $PWD/kit --oci-worker-snapshotter overlayfs --oci-worker-net host --containerd-worker=false >kit.log 2>&1")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait()
	})
	kit := &buildKit{k, tools + "/buildctl --addr unix://$PWD/kit.sock"}
	for tries := 0; ; tries++ {
		if k.command(kit.base+" debug workers").Run() == nil {
			break
		}
		if tries > 300 {
			t.Fatal("buildkitd does not come up")
		}
		time.Sleep(100 * time.Millisecond)
	}
	kit.base += " build --progress plain --frontend dockerfile.v0 --oci-layout base=$PWD/base --opt context:base=oci-layout://base@" +
		index.Manifests[0].Digest.String() + " --output type=oci,dest=kit.tar"
	return kit
}

func (b *buildKit) build(dir string) (*image, error) {
	return b.k.image(b.base+" --local context="+dir+" --local dockerfile="+dir, "kit.tar")
}

// readImage reads the one image of an archive: its layers laid over each other.
func readImage(name string) (*image, error) {
	blobs := map[string][]byte{}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if blobs[strings.TrimPrefix(h.Name, "blobs/sha256/")], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	var at struct {
		ocispec.Manifest
		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	var config ocispec.Image
	body := blobs["index.json"]
	for range 3 { // an index of images may be between
		at.Manifests = nil
		if err := json.Unmarshal(body, &at); err != nil {
			return nil, err
		}
		if len(at.Manifests) == 0 {
			break
		}
		body = blobs[at.Manifests[0].Digest.Encoded()]
	}
	manifest := at.Manifest
	if err := json.Unmarshal(blobs[manifest.Config.Digest.Encoded()], &config); err != nil {
		return nil, err
	}
	img := &image{config: config.Config, files: map[string]string{}}
	img.config.ArgsEscaped = false //nolint:staticcheck // is deprecated, and BuildKit's alone
	for _, h := range config.History {
		line := strings.TrimSuffix(h.CreatedBy, " # buildkit")
		if verb, _, _ := strings.Cut(line, " "); verb == "EXPOSE" || verb == "HEALTHCHECK" { // BuildKit shows Go's values
			line = verb
		}
		img.history = append(img.history, line)
	}
	for _, l := range manifest.Layers {
		if err := img.lay(blobs[l.Digest.Encoded()]); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// lay lays a layer over the files.
func (img *image) lay(layer []byte) error {
	var r io.Reader = bytes.NewReader(layer)
	if bytes.HasPrefix(layer, []byte("\x1f\x8b")) {
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			return err
		}
	}
	below := func(dir string) {
		maps.DeleteFunc(img.files, func(name, _ string) bool { return strings.HasPrefix(name, dir+"/") })
	}
	added := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := strings.Trim(h.Name, "/")
		dir, file := filepath.Split(name)
		if gone, ok := strings.CutPrefix(file, ".wh."); ok {
			if gone == ".wh..opq" {
				below(filepath.Clean(dir))
			} else {
				delete(img.files, dir+gone)
				below(dir + gone)
			}
			continue
		}
		switch h.Typeflag {
		case tar.TypeLink:
			added[name] = added[strings.Trim(h.Linkname, "/")]
		case tar.TypeDir: // BuildKit drops the sticky and set-id bits that --chmod gives
			added[name] = fmt.Sprintf("directory %03o %d:%d", h.Mode&0o777, h.Uid, h.Gid)
		default:
			body, err := io.ReadAll(tr)
			if err != nil {
				return err
			}
			added[name] = fmt.Sprintf("%c %04o %d:%d %s %d %.8x %v", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, len(body),
				sha256.Sum256(body), written(h.ModTime))
		}
	}
	for name, what := range added {
		if !strings.HasPrefix(what, "directory") {
			below(name)
		}
		img.files[name] = what
	}
	return nil
}

// written is the time of a file that came from somewhere, "now" of one that was made.
func written(at time.Time) string {
	if time.Since(at) < 24*time.Hour {
		return "now"
	}
	return at.UTC().Format(time.DateTime)
}

func differences(theirs, ours *image) (all []string) {
	a, _ := json.Marshal(theirs.config)
	b, _ := json.Marshal(ours.config)
	if !bytes.Equal(a, b) {
		all = append(all, fmt.Sprintf("BuildKit's config: %s\n             ours: %s", a, b))
	}
	if !slices.Equal(theirs.history, ours.history) {
		all = append(all, fmt.Sprintf("BuildKit's history: %q\n              ours: %q", theirs.history, ours.history))
	}
	names := maps.Clone(theirs.files)
	maps.Copy(names, ours.files)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if theirs.files[name] != ours.files[name] {
			all = append(all, fmt.Sprintf("%s is %q with BuildKit, %q with cove", name, theirs.files[name], ours.files[name]))
		}
	}
	return all
}

// writer makes up a context and a Dockerfile.
type writer struct {
	*rand.Rand
	dir   string
	paths []string
}

func (g *writer) of(words ...string) string { return words[g.IntN(len(words))] }

func (g *writer) one(in int) bool { return g.IntN(in) == 0 }

func (g *writer) context(t *testing.T) {
	t.Helper()
	var errs error
	keep := func(err error) { errs = errors.Join(errs, err) }
	keep(os.Mkdir(g.dir, 0o755))
	dirs := []string{""}
	for range 4 + g.IntN(10) {
		p := filepath.Join(g.of(dirs...), g.of("a", "b", "c.txt", "d.md", ".hid", "x y", "[z]", "sub", "dir", "lnk", "ü", "data", "usr"))
		f := filepath.Join(g.dir, p)
		if _, err := os.Lstat(f); err == nil {
			continue
		}
		switch n := g.IntN(10); {
		case n < 3:
			mode := []os.FileMode{0o755, 0o700, 0o775}[g.IntN(3)]
			keep(errors.Join(os.Mkdir(f, mode), os.Chmod(f, mode)))
			dirs = append(dirs, p)
		case n < 7:
			mode := []os.FileMode{0o644, 0o644, 0o755, 0o600, 0o755 | os.ModeSetuid}[g.IntN(5)]
			keep(errors.Join(os.WriteFile(f, []byte(g.of("", "x", "hello\n")+p), 0o600), os.Chmod(f, mode)))
		case n < 9:
			keep(os.Symlink(g.of("a", "../a", "/etc/passwd", "missing", "sub", ".", "..", "b/c.txt"), f))
			g.paths = append(g.paths, p)
			continue
		default:
			if len(g.paths) == 0 || os.Link(filepath.Join(g.dir, g.of(g.paths...)), f) != nil {
				continue
			}
			if info, err := os.Lstat(f); err == nil && info.Mode().Type() != 0 {
				keep(os.Remove(f))
				continue
			}
		}
		at := time.Unix(1_000_000_000+g.Int64N(3)*200_000_000, 0)
		keep(os.Chtimes(f, at, at))
		g.paths = append(g.paths, p)
	}
	if g.one(3) {
		var rules []string
		for range 1 + g.IntN(4) {
			rules = append(rules, g.of("**/a", "sub", "!sub/a", "*.md", "!d.md", "dir/", "/b", "**/*.txt", "!**/c.txt", "#x", "[a-b]", ".h*", "sub/*", "!sub", "  a  ", "./data"))
		}
		keep(os.WriteFile(filepath.Join(g.dir, ".dockerignore"), []byte(strings.Join(append(rules, "Dockerfile"), "\n")), 0o644))
	}
	if errs != nil {
		t.Fatal(errs)
	}
}

func (g *writer) dockerfile() string {
	var lines, stages []string
	if g.one(3) {
		lines = append(lines, "ARG FROM=base")
	}
	for i := range 1 + g.IntN(3) {
		from := "base"
		if len(stages) > 0 && g.one(3) {
			from = g.of(stages...)
		} else if g.one(8) {
			from = "scratch"
		} else if len(lines) > 0 && lines[0] == "ARG FROM=base" {
			from = g.of("$FROM", "${FROM:-x}")
		}
		lines = append(lines, fmt.Sprintf("FROM %s AS s%d", from, i))
		for range 1 + g.IntN(6) {
			switch n := g.IntN(10); {
			case n < 4:
				lines = append(lines, g.copy(stages))
			case n < 6:
				lines = append(lines, g.run())
			case n < 8:
				lines = append(lines, g.setting())
			default:
				lines = append(lines, g.expansion())
			}
		}
		stages = append(stages, fmt.Sprint("s", i))
	}
	return strings.Join(append(lines, `LABEL end="$V|$X|$U|$G|$TARGETARCH"`), "\n") + "\n"
}

func (g *writer) copy(stages []string) string {
	words := []string{g.of("COPY", "COPY", "copy", "ADD")}
	if g.one(6) {
		words = append(words, "--chown="+g.of("1:2", "app", "app:app", "5", "0:0", "app:50"))
	}
	if g.one(6) {
		words = append(words, "--chmod="+g.of("755", "0600", "u+x", "a=rX", "go-w", "u=rwX,go=rX", "7"))
	}
	if len(stages) > 0 && words[0] != "ADD" && g.one(3) {
		return strings.Join(append(words, "--from="+g.of(stages...), g.of("/etc/passwd", "/home", "/etc", "/tmp", "etc/group", "/bin/sh", "/d/*", "/rel"), g.destination()), " ")
	}
	to := g.destination()
	if g.one(6) {
		words, to = append(words, "--link"), "/fresh"+to // what is there keeps its owner and mode, unlike BuildKit's
	}
	var names []string
	for range 1 + g.IntN(3)*g.IntN(2) {
		if len(g.paths) > 0 && !g.one(4) {
			names = append(names, g.of(g.paths...))
		} else {
			names = append(names, g.of(".", "*", "*a*", "./*", "[a-z]*", "*.md", "s?b", ".h*", "sub/", "/a"))
		}
	}
	if len(names) > 1 || strings.ContainsAny(names[0], "*?[") {
		to = strings.TrimSuffix(to, "/") + "/"
	}
	form, _ := json.Marshal(append(names, to))
	return strings.Join(append(words, string(form)), " ")
}

func (g *writer) destination() string {
	return g.of("/", "/d", "/d/", "/d/e/f", "/rel/", "/home/", "/usr/new/", "/tmp/x", "/a", "/sub/", "/q q/", "/etc/")
}

func (g *writer) run() string {
	does := func() string {
		return g.of("touch /t1", "rm -rf /home", "mkdir -p /d/e && echo 1 >/d/e/g", "ln -s /d /dl", "rm -f /a", "chmod 600 /etc/group",
			"mv /usr /usr2 && mkdir /usr", "echo $V$B >v", "chown -R 5:6 /home", "rm -rf /home && mkdir /home", "true", "mkdir -m 700 /sec", "mkfifo /ff",
			"id -u >/tmp/id", "[ -e /d ]", "mv /etc/group /g && mv /g /etc/group", "umask 077; mkdir /um; echo >/um/x", "rm -rf /t1 /d", "ln -sfn /etc /link")
	}
	switch g.IntN(5) {
	case 0:
		form, _ := json.Marshal([]string{"sh", "-c", does()})
		return "RUN " + string(form)
	case 1:
		return "RUN <<E\n" + does() + "\n" + does() + "\nE"
	case 2:
		return "RUN --mount=type=tmpfs,target=/tmp " + does()
	}
	return "RUN " + does()
}

func (g *writer) setting() string {
	return g.of("WORKDIR /w", "WORKDIR w2", "WORKDIR $NO", "WORKDIR ../..", "USER app", "USER 5:6", "USER root", "EXPOSE 80 81/udp", "EXPOSE 90-92", "VOLUME /vol",
		`VOLUME ["/v1","/data"]`, "CMD echo hi", `CMD ["a","$V"]`, `ENTRYPOINT ["/bin/sh"]`, "ENTRYPOINT exec top", "CMD []", "STOPSIGNAL SIGTERM", "STOPSIGNAL 9",
		"HEALTHCHECK NONE", "HEALTHCHECK --interval=5s --retries=2 CMD true", `SHELL ["/bin/sh","-ec"]`, "MAINTAINER me", "ONBUILD RUN touch /onb",
		"ONBUILD LABEL o=$V", "COPY <<X /here\nhello $B\nX", "COPY <<'X' <<Y /heres/\nhello $B\nX\nyy\nY", "ENV A=1 \\\n # comment\n  BB=2", "# a comment", "ARG U=/u", "ARG U")
}

// expansion is a value with whatever has a meaning in one.
func (g *writer) expansion() string {
	var value string
	for range 1 + g.IntN(5) {
		value += g.of("a", "1", " ", `\ `, `"`, "'", `\"`, `\\`, "$V", "${V}", "${B}", "$", "$$", `\$V`, "${V:-d f}", "${NO:-${B}}", "${V:+yes}", "${NO-x}", "${V+p}", "${B#b*}",
			"${B##*a}", "${B%e}", "${B/a/o}", "${B//s/z}", "${NO:?bad}", "${V", "{", "}", "=", "*", "/", "#", "`", "\t", "ü", "$1", "$TARGETARCH", "$PATH", "${PATH:+p}", "\\\n", `${NO:-"q"}`)
	}
	return g.of("ENV V=", "ENV V ", "ENV X=1 Y=", "ARG V=", "LABEL l=", `LABEL l "k"=`, "ARG G=") + value
}
