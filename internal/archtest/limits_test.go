package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// The limits of what a reader can hold. What is beyond one stands in a list with
// its reason; what has come back below it must leave the list.
const (
	maxPackage  = 1500 // lines without tests
	maxFunction = 60   // lines; a longer one does two things
	maxParams   = 5    // more are a struct
	minTests    = 0.5  // lines of tests for a line of code, in each room
)

// longFunctions are those over the limit, by file and name.
var longFunctions = map[string]string{
	"builder/dockerfile/instr.go dispatch": "one case for each instruction, a line each",
	"sandbox/program/code.go amd64Loop":    "one listing of machine code, read from top to bottom",
	"sandbox/program/numbers.go lookup":    "a table of numbers and nothing else",
}

// source is one Go file that git knows, with what the tests below need of it.
type source struct {
	name  string
	test  bool
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	tracked(t, func(name string, fset *token.FileSet, f *ast.File) {
		all = append(all, source{
			name: name, fset: fset, file: f, lines: fset.File(f.Pos()).LineCount(),
			test: strings.HasSuffix(name, "_test.go"),
		})
	})
	return all
}

// linkers are imported for nothing but what their init() does: a binary that lacks the
// import lacks the library. No other package registers anything that way.
var linkers = []string{
	"layers/compress/codec/linked/linked.go", "images/remote/linked/linked.go", "internal/strictyaml/late/linked/linked.go",
	"internal/bakefile/late/linked/linked.go",
}

func TestFunctionsAreShortAndNobodyHasInit(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Recv == nil && fn.Name.Name == "init" && !slices.Contains(linkers, s.name) {
				t.Errorf("%s has an init(): register in a table, explicitly", s.fset.Position(fn.Pos()))
			}
			lines := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1
			if s.test || lines <= maxFunction {
				continue
			}
			key := s.name + " " + fn.Name.Name
			found[key] = true
			if longFunctions[key] == "" {
				t.Errorf("%s: %s has %d lines, the limit is %d", s.fset.Position(fn.Pos()), fn.Name.Name, lines, maxFunction)
			}
		}
	}
	for key := range longFunctions {
		if !found[key] {
			t.Errorf("%s is no longer over the limit: take it off the list", key)
		}
	}
}

func TestFunctionsTakeFewParameters(t *testing.T) {
	found := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Type.Params.NumFields() <= maxParams {
				continue
			}
			key := s.name + " " + fn.Name.Name
			found[key] = true
			if manyParams[key] == "" {
				t.Errorf("%s: %s takes %d parameters, the limit is %d: make a struct of those that belong together",
					s.fset.Position(fn.Pos()), fn.Name.Name, fn.Type.Params.NumFields(), maxParams)
			}
		}
	}
	for key := range manyParams {
		if !found[key] {
			t.Errorf("%s no longer takes too many: take it off the list", key)
		}
	}
}

func TestPackagesAreSmall(t *testing.T) {
	lines := map[string]int{}
	for _, s := range sources(t) {
		if !s.test && !strings.HasSuffix(path.Dir(s.name), "test") { // as contenttest
			lines[path.Dir(s.name)] += s.lines
		}
	}
	for dir, n := range lines {
		if n > maxPackage && largePackages[dir] == "" {
			t.Errorf("%s has %d lines, the limit is %d: find the seam in it", dir, n, maxPackage)
		}
	}
	for dir := range largePackages {
		if lines[dir] <= maxPackage {
			t.Errorf("%s has %d lines now: take it off the list", dir, lines[dir])
		}
	}
}

func TestRoomsAreTested(t *testing.T) {
	code, tests := map[string]int{}, map[string]int{}
	for _, s := range sources(t) {
		name, _, ok := room("cove/" + path.Dir(s.name))
		switch {
		case !ok || name == "cmd" || name == "internal/buildinfo":
		case s.test || strings.HasSuffix(path.Dir(s.name), "test"): // as contenttest
			tests[name] += s.lines
		default:
			code[name] += s.lines
		}
	}
	for name, n := range code {
		ratio := float64(tests[name]) / float64(n)
		switch least, listed := littleTested[name]; {
		case listed && ratio >= minTests:
			t.Errorf("%s has %.2f lines of tests for a line of code now: take it off the list", name, ratio)
		case listed && ratio < least:
			t.Errorf("%s has %.2f lines of tests for a line of code; it had %.2f and must not fall", name, ratio, least)
		case !listed && ratio < minTests:
			t.Errorf("%s has %.2f lines of tests for a line of code, %.1f are asked for", name, ratio, minTests)
		}
	}
}
