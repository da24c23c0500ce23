package registrycmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// operationsOf are the methods of each path of the API that a server describes; what a path
// takes is {} there.
func operationsOf(t *testing.T, p *process) map[string][]string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	_, _, body := p.do("GET", "/api/v1/openapi.json", nil)
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	taken, all := regexp.MustCompile(`\{[^}]*\}`), map[string][]string{}
	for path, methods := range document.Paths {
		for method := range methods {
			path := taken.ReplaceAllString(strings.TrimPrefix(path, "/"), "{}")
			all[path] = append(all[path], strings.ToUpper(method))
		}
	}
	return all
}

var (
	inCode  = regexp.MustCompile("`([^`]+)`")
	aside   = regexp.MustCompile(`\([^)]*\)`)
	example = regexp.MustCompile(`[A-Z]+([:@][A-Z]+)?`)
	method  = regexp.MustCompile(`\b(GET|POST|PUT|PATCH|DELETE)\b`)
)

// rowsOf are the paths of a row of the table in docs/api.md, each with its methods. A path
// with "…" goes on where the first ends; "the same below" another has the same.
func rowsOf(t *testing.T, paths, methods string) map[string][]string {
	t.Helper()
	own, same, _ := strings.Cut(paths, "the same below")
	var names []string
	for _, m := range inCode.FindAllStringSubmatch(own, -1) {
		name := m[1]
		if strings.HasPrefix(name, "@") { // or by digest
			continue
		}
		if rest, goesOn := strings.CutPrefix(name, "…"); goesOn {
			name = names[0] + rest
		}
		names = append(names, name)
	}
	parts := strings.Split(aside.ReplaceAllString(methods, ""), ";")
	all := map[string][]string{}
	for i, name := range names {
		takes := method.FindAllString(parts[min(i, len(parts)-1)], -1)
		all[example.ReplaceAllString(name, "{}")] = takes
		if m := inCode.FindStringSubmatch(same); m != nil {
			rest := strings.TrimPrefix(name, names[0])
			all[example.ReplaceAllString(m[1]+rest, "{}")] = takes
		}
	}
	return all
}

// TestAPIDocument does what docs/api.md says: the paths of its table take the methods that it
// has, and its examples answer as they are printed.
func TestAPIDocument(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	text, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, t.TempDir())
	operations, rows := operationsOf(t, p), 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 3 {
			continue
		}
		for path, methods := range rowsOf(t, cells[0], cells[1]) {
			there := slices.Sorted(slices.Values(operations[path]))
			if slices.Sort(methods); !slices.Equal(methods, there) {
				t.Errorf("%s takes %v, and the document says %v", path, there, methods)
			}
			rows++
		}
	}
	if rows < 40 {
		t.Errorf("the table has %d paths", rows)
	}
	for _, name := range []string{"alice", "bob"} {
		if out, errs, code := here(t, testPassword+"\n", "user", "add", name, "--password-stdin", "--root", p.root); code != 0 {
			t.Fatal(out, errs)
		}
	}
	commands, answers := examplesOf(string(text))
	if len(commands) != 3 {
		t.Fatalf("the examples: %q", commands)
	}
	for i, command := range commands {
		command = strings.NewReplacer("--cacert ca.crt -u admin ", "-su \"admin:$PASSWORD\" ", "https://registry.example.com:5000", "$URL").Replace(command)
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), "PASSWORD="+testPassword, "URL=https://"+p.Address, "CURL_CA_BUNDLE="+filepath.Join(p.root, "tls", "ca.crt"))
		out := succeed(t, cmd)
		created := regexp.MustCompile(`"createdAt":"[^"]*"`)
		if got, want := created.ReplaceAllString(out, ""), created.ReplaceAllString(answers[i], ""); strings.TrimSpace(got) != want && want != "" {
			t.Errorf("%s\nanswers\n%s\nand the document says\n%s", command, got, want)
		}
		if !strings.HasPrefix(out, "{") {
			t.Errorf("%s: %s", command, out)
		}
	}
}

// examplesOf are the commands of a document and what each answers, "" of those that are shown
// without.
func examplesOf(text string) (commands, answers []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		alone, isAlone := strings.CutPrefix(line, "    curl ")
		shown, isShown := strings.CutPrefix(line, "$ ")
		switch {
		case isAlone:
			commands, answers = append(commands, "curl "+alone), append(answers, "")
		case isShown:
			commands, answers = append(commands, shown), append(answers, "")
		case strings.HasPrefix(line, "{") && len(answers) > 0:
			answers[len(answers)-1] = line
		}
	}
	return commands, answers
}
