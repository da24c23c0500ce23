package message

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func chinese(t *testing.T) *Language {
	t.Helper()
	return load(t).Choose("zh", "")
}

// TestSaid has sentences of services said in Chinese.
func TestSaid(t *testing.T) {
	t.Parallel()
	l := chinese(t)
	for said, want := range map[string]string{
		"12 images scanned": "已扫描 12 个镜像",
		"9 packages, 3 vulnerabilities, 1 critical, 2 low":                  "9 个软件包，3 个漏洞，严重 1 个，低危 2 个",
		"12 images scanned, 3 failed":                                       "已扫描 12 个镜像，3 个失败",
		"1 image scanned":                                                   "已扫描 1 个镜像",
		"1 package, 1 vulnerability, 1 critical":                            "1 个软件包，1 个漏洞，严重 1 个",
		`user "ann" does not exist`:                                         `用户 "ann" 不存在`,
		`user "a\" {1} does not exist" does not exist`:                      `用户 "a\" {1} does not exist" 不存在`,
		"rule 3: template latestPushedK takes a number from 1 to 9, not -4": "规则 3：模板 latestPushedK 须有 1 至 9 的数字，不能是 -4",
		`endpoint "far": the password has no user`:                          `端点 "far"：有密码而没有用户名`,
		"nothing was deleted: this run would have deleted 1 artifact and 0 manifests that went with them, kept 2; 5 bytes stop counting": "没有删除任何内容：实际运行时会删除了 1 个制品和随之的 0 个清单，保留 2 个；5 字节不再计入",
		"2 of 9 tags failed; the first, team/app:v1: registry far: the password has no user":                                             "9 个标签中有 2 个失败；第一个是 team/app:v1：仓库 far：有密码而没有用户名",
		"{0} images of {1}": "{0} images of {1}", "": "", "x": "x",
		`user "ann" may not put labels on artifacts of team/app; ask an administrator of the project`: `用户 "ann" 无权给 team/app 的制品加标记；请联系项目管理员`,
		`user "ann" may not manage users; ask an administrator of the registry`:                       `用户 "ann" 无权管理用户；请联系仓库管理员`,
		"12 images scanned by hand": "12 images scanned by hand",
	} {
		if got := l.Said(said); got != want {
			t.Errorf("%s\nis said %s\nwant    %s", said, got, want)
		}
		if got := load(t).Languages()[0].Said(said); got != said {
			t.Errorf("English is said %q, not %q", got, said)
		}
	}
	long := strings.Repeat("the password has no user ", 1000)
	if got := l.Said(long); got != long {
		t.Error("a text without end was taken apart")
	}
}

// literal is a string that is written in the sources, with what "+" puts together.
func literal(e ast.Expr) (string, bool) {
	switch v := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(v.Value)
		return s, err == nil && v.Kind == token.STRING
	case *ast.BinaryExpr:
		a, first := literal(v.X)
		b, second := literal(v.Y)
		return a + b, first && second
	}
	return "", false
}

// sources parses the Go files below a folder but the tests.
func sources(t *testing.T, root string, see func(dir string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			see(filepath.ToSlash(filepath.Dir(path)), file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsSaidIsInTheSources holds each language's sentences against the sources: one
// that nothing says any more would never be shown.
func TestWhatIsSaidIsInTheSources(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, root := range []string{"../..", "../../../distribution/signature"} {
		sources(t, root, func(_ string, file *ast.File) {
			ast.Inspect(file, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if s, ok := literal(e); ok {
						all.WriteString(s + "\n")
					}
				}
				return true
			})
		})
	}
	text := all.String()
	for _, l := range load(t).Languages() {
		for _, s := range sentencesOf(t, l) {
			for _, piece := range verb.Split(s.format, -1) {
				// A verb is followed by "project" in the sentence that it becomes part of.
				piece = strings.TrimSuffix(strings.Trim(piece, " ,:;"), " project")
				if !strings.Contains(text, piece) {
					t.Errorf("%s: nothing says %q, of %q", l.Tag, piece, s.format)
				}
			}
			if want := len(verb.FindAllString(s.format, -1)); strings.Contains(s.text, "{"+strconv.Itoa(want)+"}") {
				t.Errorf("%s: %q fills in more than %d", l.Tag, s.text, want)
			}
		}
	}
}

// told are packages whose refusals people read on pages, because a form was filled in so.
var told = []string{
	"accounts", "projects", "robots", "labels", "retention", "immutable", "selector", "webhook", "replication",
	"replication/choice", "quota", "rename", "scan/gate", "scan/scanners", "jobs", "trust", "history", "signing",
	"web", "web/access", "web/hooks", "web/images", "web/page", "web/scans", "web/session", "web/work", "web/people",
}

// elsewhere are refusals that no form of a page leads to.
var elsewhere = regexp.MustCompile(`is not pulled: |^(config|making the account|the arguments of the job|renaming|` +
	`what a server said|the claims of|the token is |replication rule %s|role %q: a name|signatures are read where|` +
	`key %s: %w|a secret has 8|this would be taken|external_url|the request comes from|form: |live page|file %q|` +
	`layer %q: %w|digest %q: %w|a fault in the registry|no server of the registry|%d jobs|` +
	`%w$|%s$|%s %q: %w|trust rule %q: give|webhook: the|tag %s of %s is immutable|an access token is)`)

// TestRefusalsAreSaid has each refusal of those packages said in every language.
func TestRefusalsAreSaid(t *testing.T) {
	t.Parallel()
	refusals := map[string]string{}
	sources(t, "../..", func(dir string, file *ast.File) {
		if dir = strings.TrimPrefix(dir, "../../"); !slices.Contains(told, dir) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			for _, arg := range call.Args {
				s, ok := literal(arg)
				if ok && strings.Contains(s, " ") && slices.Contains([]string{"Errorf", "invalid", "Invalid"}, name) {
					refusals[s] = dir
				}
			}
			return true
		})
	})
	if len(refusals) < 100 {
		t.Fatalf("only %d refusals were found", len(refusals))
	}
	for _, l := range load(t).Languages()[1:] {
		has := map[string]bool{}
		for _, s := range sentencesOf(t, l) {
			has[s.format] = true
		}
		for format, dir := range refusals {
			if !has[format] && !elsewhere.MatchString(format) {
				t.Errorf("%s has no words for %q of %s", l.Tag, format, dir)
			}
		}
	}
}

// note is what an expression that makes a text has as its format; "" of one that asks somebody
// else for it.
func note(e ast.Expr) string {
	if s, ok := literal(e); ok {
		return s
	}
	switch v := e.(type) {
	case *ast.CallExpr:
		if f, ok := v.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			return note(v.Args[0])
		}
	case *ast.BinaryExpr:
		a, b := note(v.X), note(v.Y)
		if a == "" && b == "" {
			return ""
		}
		return cmp.Or(a, "%s") + cmp.Or(b, "%s")
	}
	return ""
}

// ofJob says that a function does the work of jobs: what it returns first is a note.
func ofJob(t *ast.FuncType) bool {
	for _, p := range t.Params.List {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if of, ok := star.X.(*ast.SelectorExpr); ok && of.Sel.Name == "Work" {
			return t.Results != nil && len(t.Results.List) == 2
		}
	}
	return false
}

// notesOf are the formats of what jobs say below a node: what those that do their work return,
// what they say meanwhile, and what is kept of a part of the work.
func notesOf(below ast.Node, add func(string)) {
	returns := func(body ast.Node) {
		ast.Inspect(body, func(n ast.Node) bool {
			if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 2 {
				add(note(r.Results[0]))
			}
			return true
		})
	}
	ast.Inspect(below, func(n ast.Node) bool {
		switch v := n.(type) {
		case *ast.FuncDecl:
			if ofJob(v.Type) {
				returns(v.Body)
			}
		case *ast.FuncLit:
			if ofJob(v.Type) {
				returns(v.Body)
			} else if len(v.Body.List) == 1 { // as told, which is said several times
				if r, ok := v.Body.List[0].(*ast.ReturnStmt); ok && len(r.Results) == 1 {
					add(note(r.Results[0]))
				}
			}
		case *ast.CallExpr:
			if f, ok := v.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Say" {
				add(note(v.Args[0]))
			}
		case *ast.AssignStmt:
			for i, to := range v.Lhs {
				if len(v.Rhs) != len(v.Lhs) {
					continue
				}
				switch f := to.(type) {
				case *ast.SelectorExpr:
					if f.Sel.Name == "Note" {
						add(note(v.Rhs[i]))
					}
				case *ast.Ident:
					if f.Name == "note" && v.Tok == token.ASSIGN { // a result that has a name
						add(note(v.Rhs[i]))
					}
				}
			}
		}
		return true
	})
}

// TestNotesAreSaid has what jobs say of themselves said in every language.
func TestNotesAreSaid(t *testing.T) {
	t.Parallel()
	notes := map[string]string{}
	sources(t, "../..", func(dir string, file *ast.File) {
		if !slices.Contains(strings.Split(dir, "/"), "web") {
			notesOf(file, func(format string) {
				if strings.Contains(format, " ") {
					notes[format] = dir
				}
			})
		}
	})
	if len(notes) < 15 {
		t.Fatalf("only %d notes were found: %v", len(notes), notes)
	}
	for _, l := range load(t).Languages()[1:] {
		has := map[string]bool{}
		for _, s := range sentencesOf(t, l) {
			has[s.format] = true
		}
		for format, dir := range notes {
			if !has[format] {
				t.Errorf("%s has no words for the note %q of %s", l.Tag, format, dir)
			}
		}
	}
}

func sentencesOf(t *testing.T, l *Language) []sentence {
	t.Helper()
	all, err := l.sentences()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
