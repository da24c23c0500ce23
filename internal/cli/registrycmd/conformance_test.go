package registrycmd

import (
	"encoding/xml"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConformance runs the suites of the OCI Distribution Specification on a registry as it is
// installed, over TLS and with accounts: that of the specification's main branch for what was
// released and for what is to come ("dev"), with what a registry may leave out, and the one of
// the time when version 1.1 came. Nothing fails, and nothing is left out that could be asked.
func TestConformance(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	ca := filepath.Join(p.root, "tls", "ca.crt")
	env := append(os.Environ(), "SSL_CERT_FILE="+ca, "OCI_USERNAME=admin", "OCI_PASSWORD="+testPassword)
	newest := filepath.Join(t.TempDir(), "conformance")
	in(t, "conformance", "go", "build", "-o", newest, "github.com/opencontainers/distribution-spec/conformance")
	for _, version := range []string{"1.1", "dev"} {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), newest)
			cmd.Dir = dir
			cmd.Env = append(env, "OCI_VERSION="+version, "OCI_REGISTRY="+p.Address, "OCI_REPO1=library/one-"+version,
				"OCI_REPO2=library/two-"+version, "OCI_RESULTS_DIR="+dir)
			for _, all := range []string{
				"API_BLOBS_DIGEST_HEADER", "API_BLOBS_UPLOAD_CANCEL", "API_MANIFESTS_DIGEST_HEADER", "API_MANIFESTS_TAG_PARAM",
			} {
				cmd.Env = append(cmd.Env, "OCI_"+all+"=true")
			}
			out, err := cmd.CombinedOutput()
			passed(t, filepath.Join(dir, "junit.xml"), 750)
			if err != nil {
				t.Errorf("%v\n%.20000s", err, out)
			}
		})
	}
	t.Run("of 2023", func(t *testing.T) {
		suite, dir := filepath.Join(t.TempDir(), "suite"), t.TempDir()
		in(t, "conformance/2023", "go", "test", "-c", "-o", suite, "github.com/opencontainers/distribution-spec/conformance")
		cmd := exec.CommandContext(t.Context(), suite)
		cmd.Dir = dir
		cmd.Env = append(env, "OCI_ROOT_URL="+p.URL(""), "OCI_NAMESPACE=library/first", "OCI_CROSSMOUNT_NAMESPACE=library/second",
			"OCI_AUTOMATIC_CROSSMOUNT=1", "OCI_REPORT_DIR="+dir, "OCI_TEST_PULL=1", "OCI_TEST_PUSH=1", "OCI_TEST_CONTENT_DISCOVERY=1",
			"OCI_TEST_CONTENT_MANAGEMENT=1", "OCI_DELETE_MANIFEST_BEFORE_BLOBS=1")
		out, err := cmd.CombinedOutput()
		passed(t, filepath.Join(dir, "junit.xml"), 70)
		if err != nil && t.Failed() {
			t.Errorf("%v\n%.20000s", err, out)
		}
	})
	p.Stop()
}

// notAsked are cases of the older suite, by the ends of their names, that are left out because
// another one is their opposite, or that ask for what is no good; and why.
var notAsked = map[string]string{
	"Setup Get tag name from environment":                                                       "of who may not push",
	"Setup Populate registry with test tags (no push)":                                          "of who may not push",
	"Cross-mounting of nonexistent blob should yield session id":                                "of a registry that does not mount",
	"Cross-mounting without from, and automatic content discovery disabled should return a 202": "of one that does not find by digest alone",
	"Content Discovery Teardown Delete layer blob created in setup":                             "of one that deletes a layer under an image: a subject that the suite leaves needs it",
}

// in runs a command in one of the modules of clients.
func in(t *testing.T, module string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = filepath.Join("../../../e2e/clients", module)
	return succeed(t, cmd)
}

// passed reads what a suite says of its cases, prints how many there are, and fails for each
// that did not pass.
func passed(t *testing.T, report string, least int) {
	t.Helper()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	type testCase struct {
		Name    string    `xml:"name,attr"`
		Status  string    `xml:"status,attr"`
		Skipped *struct{} `xml:"skipped"`
		Out     string    `xml:"system-out"`
	}
	var suites struct {
		Cases  []testCase `xml:"testsuite>testcase"`
		Direct []testCase `xml:"testcase"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	good, skipped, failed := 0, 0, 0
	for _, c := range append(suites.Cases, suites.Direct...) {
		expected := slices.ContainsFunc(slices.Collect(maps.Keys(notAsked)), func(end string) bool { return strings.HasSuffix(c.Name, end) })
		switch {
		case c.Status == "passed":
			good++
			continue
		case c.Skipped != nil || c.Status == "skipped" || expected:
			skipped++
		default:
			failed++
		}
		if !expected {
			t.Errorf("%s: %s %s", c.Status, c.Name, strings.TrimSpace(c.Out))
		}
	}
	t.Logf("%d passed, %d left out, %d failed", good, skipped, failed)
	if good < least {
		t.Errorf("only %d passed", good)
	}
}
