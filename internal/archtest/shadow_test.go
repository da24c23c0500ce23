package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// TestNoVariableHidesAPackage looks for variables, parameters and constants that
// have the name of a package that their file imports: a reader takes one for the
// other.
func TestNoVariableHidesAPackage(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		packages := imported(s.file)
		for _, id := range declared(s.file) {
			if packages[id.Name] {
				t.Errorf("%s: %s hides the package of that name", s.fset.Position(id.Pos()), id.Name)
			}
		}
	}
}

func TestHiddenPackagesAreFound(t *testing.T) {
	for code, want := range map[string]string{
		`import "os"; func f(os int) {}`:                               "os",
		`import "os"; func f() (os int) { return }`:                    "os",
		`import "path/filepath"; func f() { filepath := 1 }`:           "filepath",
		`import "os"; func f() { for os := range 3 { _ = os } }`:       "os",
		`import "os"; func f() { var os int; _ = os }`:                 "os",
		`import d "github.com/opencontainers/go-digest"; var d = 1`:    "d",
		`import "github.com/opencontainers/go-digest"; var digest = 1`: "digest",
		`import "example.org/semver/v3"; var semver = 1`:               "semver",
		`import _ "embed"; var _ = 1`:                                  "",
		`import "os"; type s struct{ os int }; func (s) exit() {}`:     "",
	} {
		file := parse(t, "package p; "+code)
		got := ""
		for _, id := range declared(file) {
			if imported(file)[id.Name] {
				got = id.Name
			}
		}
		if got != want {
			t.Errorf("%s: found %q, want %q", code, got, want)
		}
	}
}

// imported are the names of the packages that a file imports, as far as paths
// tell them.
func imported(f *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, imp := range f.Imports {
		if imp.Name != nil {
			names[imp.Name.Name] = imp.Name.Name != "_" && imp.Name.Name != "."
			continue
		}
		dir, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(dir)
		if _, err := strconv.Atoi(strings.TrimPrefix(name, "v")); err == nil {
			name = path.Base(path.Dir(dir)) // a major version
		}
		names[strings.TrimSuffix(strings.TrimPrefix(name, "go-"), "-go")] = true
	}
	return names
}

// declared are the variables, parameters and constants that a file declares.
func declared(f *ast.File) (ids []*ast.Ident) {
	add := func(all ...ast.Expr) {
		for _, e := range all {
			if id, ok := e.(*ast.Ident); ok {
				ids = append(ids, id)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		case *ast.ValueSpec:
			ids = append(ids, n.Names...)
		case *ast.FuncType:
			for _, list := range []*ast.FieldList{n.Params, n.Results} {
				if list == nil {
					continue
				}
				for _, field := range list.List {
					ids = append(ids, field.Names...)
				}
			}
		}
		return true
	})
	return ids
}

func parse(t *testing.T, code string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
