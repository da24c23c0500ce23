package registrycmd

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// layerOf is a tar with one file.
func layerOf(t *testing.T, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(
		&tar.Header{
			Name:     name,
			Mode:     0o644,
			Size:     int64(len(text)),
			Typeflag: tar.TypeReg,
		},
	)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pushImage pushes an image of one layer, and returns its digest.
func pushImage(t *testing.T, p *process, repo, tag string, layer []byte) string {
	t.Helper()
	const config = "application/vnd.oci.image.config.v1+json"
	part := func(mediaType string, blob []byte) string {
		dgst := digest.FromBytes(blob)
		path := "/v2/" + repo + "/blobs/uploads/?digest=" + dgst.String()
		if code, _, answer := p.do("POST", path, blob, "Content-Type", "application/octet-stream"); code != 201 {
			t.Fatalf("push: %d %s", code, answer)
		}
		return fmt.Sprintf(
			`{"mediaType":%q,"digest":%q,"size":%d}`,
			mediaType,
			dgst,
			len(blob),
		)
	}
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	body := []byte(
		fmt.Sprintf(
			`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`,
			manifest,
			part(
				config,
				fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`,
					digest.FromBytes(layer)),
			),
			part("application/vnd.oci.image.layer.v1.tar", layer),
		),
	)
	if code, _, answer := p.do("PUT", "/v2/"+repo+"/manifests/"+tag, body, "Content-Type", manifest); code != 201 {
		t.Fatalf("push: %d %s", code, answer)
	}
	return digest.FromBytes(body).String()
}

const flaws = `{"id":"CVE-2024-1","summary":"a flaw in left-pad","affected":[{"package":{"ecosystem":"npm","name":"left-pad"},` +
	`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.3.0"}]}]}],"database_specific":{"severity":"HIGH"}}`

// TestScanCommands brings a database, finds a flaw, keeps its image back and lets it
// through.
func TestScanCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	dgst := pushImage(
		t,
		p,
		"team/app",
		"v1",
		layerOf(
			t,
			"app/node_modules/left-pad/package.json",
			`{"name":"left-pad","version":"1.2.0"}`,
		),
	)
	push(t, p, "team/list", "v1", "no image")
	file := filepath.Join(t.TempDir(), "osv.json")
	if err := os.WriteFile(file, []byte(flaws), 0o600); err != nil {
		t.Fatal(err)
	}
	step := func(want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(
			t,
			"",
			append(append([]string{"scan"}, args...), "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf(
				"registry scan %s: %d, want %d and %q\n%s%s",
				strings.Join(args, " "),
				got,
				code,
				want,
				out,
				errs,
			)
		}
		return out
	}
	step("was not scanned", 1, "show", "team/app:v1")
	step("is no image", 1, "run", "team/list:v1")
	step("name images, or use --all", 125, "run")
	step("name images, or use --all", 125, "run", "--all", "team/app:v1")
	step("osv: 1 advisory on 1 vulnerability", 0, "db", "import", file)
	step("osv    osv    1", 0, "db", "list")
	step("no such file", 1, "db", "import", file+".gone")
	step("of a database", 125, "db", "import", file, "--name", "O S V")
	step("cannot be read", 1, "db", "import", os.Args[0], "--name", "osv")
	step("", 0, "run", "--wait", "team/app:v1")
	step(
		"CVE-2024-1      High       left-pad   1.2.0     1.3.0    a flaw in left-pad",
		0,
		"show",
		"team/app:v1",
	)
	if got := step("", 0, "show", "team/app:v1", "--severity", "critical", "-q"); got != "" {
		t.Errorf("critical ones: %s", got)
	}
	step("severity \"bad\"", 125, "show", "team/app:v1", "--severity", "bad")
	step("team/app@"+dgst, 0, "list", "--project", "team")
	step("team/app@"+dgst, 0, "cve", "CVE-2024-1")
	step("no database knows", 1, "cve", "CVE-1999-1")
	const columns = "repository,digest,tags,vulnerability,severity,score,package,version,type,fixed,status,title,scanner,scanned\n"
	line := "team/app," + dgst + ",v1,CVE-2024-1,High,,left-pad,1.2.0,npm,1.3.0,"
	step(columns+line, 0, "export")
	step(columns+line, 0, "export", "--project", "team", "--repositories", "team/*", "--tags", "v*", "--severity", "high",
		"--cve", "CVE-2024-1")
	for _, not := range [][]string{
		{"--tags", "w*"}, {"--repositories", "team"}, {"--severity", "critical"}, {"--cve", "CVE-2024-2"},
	} {
		if out := step(columns, 0, append([]string{"export", "--project", "team"}, not...)...); out != columns {
			t.Errorf("export %s: %s", not, out)
		}
	}
	step("does not exist", 1, "export", "--project", "absent")
	step("is no glob", 1, "export", "--tags", "[")
	step(`severity "bad"`, 125, "export", "--severity", "bad")
	if code, _, body := p.do("GET", "/api/v1/projects/team/vulnerabilities.csv?tags=v1", nil); code != 200 ||
		!strings.HasPrefix(string(body), columns+line) {
		t.Errorf("the export by HTTP: %d %s", code, body)
	}
	step("High         1        1", 0, "summary")
	step(`"waiting":0`, 0, "summary", "--format", "{{json .}}")

	step("choose what becomes", 125, "gate", "set", "team", "--severity", "high")
	step(
		"",
		0,
		"gate",
		"set",
		"team",
		"--severity",
		"high",
		"--unscanned",
		"block",
		"--sbom",
		"spdx",
	)
	step("team      yes            spdx   high          block", 0, "gate", "show", "team")
	pull := func(want int) {
		t.Helper()
		if code, _, body := p.do("GET", "/v2/team/app/manifests/v1", nil); code != want {
			t.Errorf("pull: %d, want %d: %s", code, want, body)
		}
	}
	pull(403)
	step("it is kept back", 0, "show", "team/app:v1")
	step("say --project", 125, "allow", "add", "CVE-2024-1")
	step(
		"is no time to come",
		125,
		"allow",
		"add",
		"CVE-2024-1",
		"--project",
		"team",
		"--expires",
		"yesterday",
	)
	step(
		"",
		0,
		"allow",
		"add",
		"CVE-2024-1",
		"--project",
		"team",
		"--expires",
		"30d",
		"--reason",
		"not reachable",
	)
	step("not reachable", 0, "allow", "list", "--project", "team")
	pull(200)
	step("", 0, "allow", "rm", "CVE-2024-1", "--project", "team")
	step("is not let through", 1, "allow", "rm", "CVE-2024-1", "--all-projects")
	step("", 0, "gate", "set", "team", "--severity", "none", "--sbom", "none")
	step("team      yes            -      -             -", 0, "gate", "show", "team")
	pull(200)
	step("", 0, "db", "rm", "osv")
	step("there is no database", 1, "db", "rm", "osv")
}
