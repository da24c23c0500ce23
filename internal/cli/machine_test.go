package cli

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/content/memstore"
	"cove/distribution/distributiontest"
)

// machine is a root of its own, on which commands are run in this process as a shell
// would run the binary.
type machine struct {
	t    *testing.T
	root string
	work string // for files, as $W in arguments
	host string // of a registry, as HOST in arguments
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers are unpacked with their owners")
	}
	return &machine{t: t, root: t.TempDir(), work: t.TempDir()}
}

// file writes a file and returns its name.
func (m *machine) file(name string, data []byte) string {
	m.t.Helper()
	path := filepath.Join(m.work, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// rootfs is an archive with one file of so many bytes.
func (m *machine) rootfs(name string, size int) string {
	m.t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(size)})
	if err == nil {
		_, err = tw.Write(bytes.Repeat([]byte("x"), size))
	}
	if err == nil {
		err = tw.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return m.file(name+".tar", b.Bytes())
}

// run runs a command of cove: words, where one in quotes may have spaces.
func (m *machine) run(line, stdin string) (out, errs string, code int) {
	m.t.Helper()
	var args []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	for i := range args {
		args[i] = strings.NewReplacer("$W", m.work, "HOST", m.host).Replace(args[i])
	}
	var stdout, stderr bytes.Buffer
	code = Main(Cove(here), append([]string{"--root", m.root}, args...), strings.NewReader(stdin), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// do is run for what must succeed.
func (m *machine) do(line string) string {
	m.t.Helper()
	out, errs, code := m.run(line, "")
	if code != 0 {
		m.t.Fatalf("cove %s: exit code %d: %s", line, code, errs)
	}
	return out
}

// changing is what no golden can have: ids, and how long ago something was.
var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "sha256:ID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "LONG-ID"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "SHORT-ID----"}, // as wide, so that columns stay
	{regexp.MustCompile(`(Less than a second|About a second|About a minute|\d+ (second|minute)s?) ago *`), "AGO "},
	{regexp.MustCompile(`CREATED +`), "CREATED "},
	{regexp.MustCompile(`DONE \d+\.\ds`), "DONE 0.0s"},
	// What tests beside this one leave for a moment: control groups are the machine's.
	{regexp.MustCompile(`(?m)^left behind by a dead container, removed: .*\n`), ""},
	{regexp.MustCompile(`reclaimed space: [1-9][0-9.]*[kM]?B`), "reclaimed space: SOME"},
}

func (m *machine) plain(text string) string {
	text = strings.ReplaceAll(text, m.root, "$ROOT")
	text = strings.ReplaceAll(text, m.work, "$W")
	if m.host != "" {
		text = strings.ReplaceAll(text, m.host, "HOST")
	}
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.name)
	}
	return text
}

// step is a command, its exit code, and all that it says: on standard output, and after
// that on standard error.
type step struct {
	line string
	code int
	want string
}

// story runs commands one after the other.
func (m *machine) story(steps []step) {
	m.t.Helper()
	for _, s := range steps {
		out, errs, code := m.run(s.line, "")
		if code != s.code {
			m.t.Errorf("cove %s: exit code %d, want %d", s.line, code, s.code)
		}
		if diff := cmp.Diff(s.want, m.plain(out+errs)); diff != "" {
			m.t.Errorf("cove %s (-want +got):\n%s", s.line, diff)
		}
	}
}

// prepared is a machine with archives and a file of variables.
func prepared(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.rootfs("five", 5)
	m.rootfs("big", 2_500_000)
	m.file("env", []byte("X=1\n# no\nA=c\n"))
	return m
}

// registry serves an empty registry.
func (m *machine) registry() {
	m.t.Helper()
	m.host = distributiontest.Serve(m.t, m.t.Context(), distributiontest.NewMemory(memstore.New(nil)))
}

// dockerfiles writes some: a good one, and others that are wrong or doubtful.
func (m *machine) dockerfiles() {
	m.t.Helper()
	for name, text := range map[string]string{
		"Dockerfile":       "FROM scratch AS files\nARG X\nCOPY env /a/\nFROM files\nCOPY --from=files /a/env /b\nENV A=1\nCMD [\"x\"]\n",
		"bad.Dockerfile":   "FROM scratch\nCOPY none /a\n",
		"worse.Dockerfile": "FROM scratch\nCOPPY none /a\n",
		"lint.Dockerfile":  "from scratch\nCOPY five.tar /\nMAINTAINER me\n",
	} {
		m.file(name, []byte(text))
	}
}

// image imports the image app.
func (m *machine) image() {
	m.t.Helper()
	m.do(`import -c 'CMD ["serve", "-p", "80"]' -c 'ENV A=b' $W/five.tar app`)
}
