package version_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cove/registry/scan/version"
)

// oracles are programs that compare versions as the makers of each scheme do. Each is
// given pairs, one a line with a space between, and says -1, 0 or 1 a line.
var oracles = []struct {
	scheme   version.Scheme
	patterns []string
	ask      func(t *testing.T, pairs [][2]string) []string
}{
	{version.RPM, []string{
		`([01]:)?[0-2]{1,2}([.~^a_+][0-2a~^.]{1,3}){0,3}(-[01~a.]{1,3})?`,
		`[0-9]{1,3}(\.[0-9]{1,12}){1,4}(~rc[0-9]|\^git[0-9a-f]{4})?-[0-9]{1,3}(\.[0-9])?\.(el[789](_[0-9]{1,2})?|fc4[0-2]|module\+el8\.[0-9]\+[0-9]{3})`,
	}, byRPM},
	{version.PyPI, []string{
		`([01]!)?[0-2]{1,2}(\.[0-2]){0,3}((a|b|rc|alpha|\.?pre|c)[0-2]?)?((\.post|-|\.rev)[0-2])?(\.dev[0-2]?)?`,
		`v?[0-9]{1,4}\.[0-9]{1,2}(\.[0-9]{1,2})?(\+(ubuntu|local)\.?[0-2](\.[a-z0-9]{1,3})?)?`,
	}, byPython},
	{version.NPM, []string{
		`[0-2]\.[0-2]{1,2}\.[0-2](-(alpha|beta|rc|[0-2]|[0-2]a)(\.([0-2]|10|a-b|x[0-2]))?)?(\+[a-z0-2]{1,3})?`,
	}, byNode},
	{version.Maven, []string{
		`[0-2]{1,2}(\.[0-2]){0,3}(-(alpha|beta|milestone|rc|cr|snapshot|SNAPSHOT|ga|final|sp|x|[0-2])(-?[0-2])?)?`,
		`[0-9]{1,2}\.[0-9]{1,2}(\.[0-9]{1,2})?(\.(Final|RELEASE|GA|Beta[0-2]|RC[0-2]|M[0-2]|v2022[0-9]{4}|jre|android))?`,
	}, byMaven},
}

// TestAsTheirMakersCompare holds two thousand pairs of each scheme beside what its own
// program says of them.
func TestAsTheirMakersCompare(t *testing.T) {
	t.Parallel()
	for _, o := range oracles {
		t.Run(string(o.scheme), func(t *testing.T) {
			t.Parallel()
			var pairs [][2]string
			for i, pattern := range o.patterns {
				text := rapid.StringMatching(pattern)
				for n := range 2000 / len(o.patterns) {
					a, b := text.Example(10_000*i+n), text.Example(10_000*i+5_000+n)
					// A release that one does not say is not looked at here, as in advisories.
					half := o.scheme == version.RPM && strings.Contains(a, "-") != strings.Contains(b, "-")
					if !half && accepts(o.scheme, a) && accepts(o.scheme, b) {
						pairs = append(pairs, [2]string{a, b})
					}
				}
			}
			said := o.ask(t, pairs)
			if len(said) != len(pairs) || len(pairs) < 1000 {
				t.Fatalf("%d pairs, %d answers", len(pairs), len(said))
			}
			wrong := 0
			for i, p := range pairs {
				if got := fmt.Sprint(compare(t, o.scheme, p[0], p[1])); got != said[i] && said[i] != "?" {
					if wrong++; wrong <= 20 {
						t.Errorf("%s and %s: %s, want %s", p[0], p[1], got, said[i])
					}
				}
			}
			t.Logf("%d pairs, %d wrong", len(pairs), wrong)
		})
	}
}

func accepts(s version.Scheme, text string) bool {
	_, err := version.Parse(s, text)
	return err == nil
}

// answers runs a program that reads pairs and answers with a line each.
func answers(t *testing.T, pairs [][2]string, name string, args ...string) []string {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s", name)
	}
	var in bytes.Buffer
	for _, p := range pairs {
		fmt.Fprintln(&in, p[0], p[1])
	}
	file := filepath.Join(t.TempDir(), "pairs")
	if err := os.WriteFile(file, in.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PAIRS", file)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("%s: %v: %s", name, err, stderr.String())
	}
	return strings.Fields(string(out))
}

func byRPM(t *testing.T, pairs [][2]string) []string {
	t.Helper()
	return answers(t, pairs, "rpm", "--eval", `%{lua: for l in io.lines("PAIRS") do
		local a, b = l:match("(%S+) (%S+)"); print(rpm.vercmp(a, b) .. "\n") end}`)
}

func byPython(t *testing.T, pairs [][2]string) []string {
	t.Helper()
	return answers(t, pairs, "/usr/bin/python3", "-c", `
import sys
from packaging.version import Version
for line in sys.stdin:
    try:
        a, b = map(Version, line.split())
        print((a > b) - (a < b))
    except Exception:
        print("?")`)
}

func byNode(t *testing.T, pairs [][2]string) []string {
	t.Helper()
	npm, err := exec.CommandContext(t.Context(), "npm", "root", "-g").Output()
	if err != nil {
		t.Skipf("needs npm: %v", err)
	}
	return answers(t, pairs, "node", "-e", `
const semver = require(process.argv[1] + "/npm/node_modules/semver")
for (const l of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const [a, b] = l.split(" ")
  console.log(semver.valid(a) && semver.valid(b) ? semver.compare(a, b) : "?")
}`, strings.TrimSpace(string(npm)))
}

// byMaven asks the class that Maven has for it, which compares each argument with the
// one before.
func byMaven(t *testing.T, pairs [][2]string) (said []string) {
	t.Helper()
	jars, err := filepath.Glob("/usr/share/maven/lib/maven-artifact-3*.jar")
	lang, _ := filepath.Glob("/usr/share/maven/lib/commons-lang3*.jar")
	if err != nil || len(jars) == 0 {
		t.Skip("needs maven")
	}
	args := []string{"-cp", strings.Join(append(jars, lang...), ":"), "org.apache.maven.artifact.versioning.ComparableVersion"}
	for _, p := range pairs {
		args = append(args, p[0], p[1])
	}
	out, err := exec.CommandContext(t.Context(), "java", args...).Output()
	if err != nil {
		t.Skipf("java: %v", err)
	}
	nth := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || !strings.Contains("< == >", f[1]) {
			continue
		}
		if nth++; nth%2 == 1 { // the others are of two pairs
			said = append(said, map[string]string{"<": "-1", "==": "0", ">": "1"}[f[1]])
		}
	}
	return said
}
