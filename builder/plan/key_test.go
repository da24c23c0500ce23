package plan

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"cove/layers"
)

// notMeaning are the fields that must not change a key.
var notMeaning = map[string]bool{
	"Run.ProxyEnv": true, "Run.Platform": true,
	"Base.Name": true, "Base.Manifest": true, "Base.Config": true, "Base.RawConfig": true,
	"Vertex.Name": true, "Vertex.Location": true, "Vertex.NoCache": true,
}

// TestMutate changes every field of every op, and of what is in it, one at a
// time: the key changes if and only if the field means something.
func TestMutate(t *testing.T) {
	t.Parallel()
	body := "x"
	ops := []Op{
		&Base{Layers: []layers.Layer{{DiffID: layers.DiffID(digest.FromString("l"))}}},
		&Run{Args: []string{"a"}, Env: []string{"A=1"}, Mounts: []RunMount{{Type: "bind"}}, ProxyEnv: []string{"p"}, Hosts: []Host{{Name: "h"}}},
		&Copy{Selection: Selection{Sources: []Source{{Path: "a", Inline: &body, Git: &Git{}}}, Exclude: []string{"e"}}},
		&Placement{Dest: "/d"},
		&Workdir{Path: "/w"},
	}
	n := 0
	for _, op := range ops {
		before := Define(op)
		v := reflect.ValueOf(op).Elem()
		mutations(v, v.Type().Name(), func(path string, undo func()) {
			n++
			after := Define(op)
			undo()
			if meant := !notMeaning[path]; meant != (after != before) {
				t.Errorf("%s: the key changed: %v, want %v", path, after != before, meant)
			}
		})
		if Define(op) != before {
			t.Fatalf("%T: undo failed", op)
		}
	}
	t.Logf("%d mutations", n)
	if n < 40 {
		t.Errorf("only %d mutations", n)
	}
}

// mutations calls fn after each single change below v.
func mutations(v reflect.Value, path string, fn func(path string, undo func())) {
	set := func(to reflect.Value) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		v.Set(to)
		fn(path, func() { v.Set(old) })
	}
	switch v.Kind() {
	case reflect.String:
		set(reflect.ValueOf(v.String() + "~").Convert(v.Type()))
	case reflect.Bool:
		set(reflect.ValueOf(!v.Bool()).Convert(v.Type()))
	case reflect.Int, reflect.Int64:
		set(reflect.ValueOf(v.Int() + 1).Convert(v.Type()))
	case reflect.Uint8, reflect.Uint32:
		set(reflect.ValueOf(v.Uint() + 1).Convert(v.Type()))
	case reflect.Pointer:
		set(reflect.Zero(v.Type()))
	case reflect.Slice:
		for i := range v.Len() {
			mutations(v.Index(i), path, fn)
		}
		grown := reflect.MakeSlice(v.Type(), v.Len()+1, v.Len()+1)
		reflect.Copy(grown, v)
		set(grown)
	case reflect.Struct:
		if notMeaning[path] {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := v.Type().Name() + "." + f.Name
			if path == "Base.Layers" && f.Name == "Blob" {
				continue // the same tar, compressed otherwise
			}
			if path == "Base.Layers" {
				name = path
			}
			mutations(v.Field(i), name, fn)
		}
	case reflect.Map, reflect.Interface:
	default:
		panic(fmt.Sprintf("%s: %s is not mutated", path, v.Kind()))
	}
}

// TestKeyFollowsGraph: a change anywhere below changes every key above, and
// nothing beside; names and places change none.
func TestKeyFollowsGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "vertices")
		type shape struct {
			parent ID
			inputs []ID
			cmd    string
		}
		shapes := make([]shape, n)
		for i := range shapes {
			s := shape{parent: None, cmd: rapid.StringN(0, 3, 5).Draw(t, "cmd")}
			if i > 0 {
				s.parent = ID(rapid.IntRange(0, i-1).Draw(t, "parent"))
				for range rapid.IntRange(0, 2).Draw(t, "inputs") {
					s.inputs = append(s.inputs, ID(rapid.IntRange(0, i-1).Draw(t, "input")))
				}
			}
			shapes[i] = s
		}
		build := func(changed int, name string) []*Vertex {
			g := &Graph{}
			for i, s := range shapes {
				cmd := s.cmd
				if i == changed {
					cmd += "changed"
				}
				g.Add(Vertex{Op: &Run{Args: []string{cmd}}, Parent: s.parent, Inputs: s.inputs, Name: name})
			}
			return g.Vertices
		}
		changed := rapid.IntRange(0, n-1).Draw(t, "changed")
		a, b, c := build(-1, "x"), build(changed, "x"), build(-1, "y")
		touched := map[ID]bool{ID(changed): true}
		for i, s := range shapes {
			for _, in := range append([]ID{s.parent}, s.inputs...) {
				if touched[in] {
					touched[ID(i)] = true
				}
			}
			if (a[i].Definition != b[i].Definition) != touched[ID(i)] {
				t.Fatalf("vertex %d: key changed %v, depends on %d: %v", i, a[i].Definition != b[i].Definition, changed, touched[ID(i)])
			}
			if a[i].Definition != c[i].Definition {
				t.Fatalf("vertex %d: its name changed its key", i)
			}
		}
	})
}

func TestParseMode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		mode uint32
		dir  bool
		want uint32
	}{
		{"0755", 0o600, false, 0o755},
		{"4755", 0o600, false, 0o4755},
		{"u=rwX,go=rX", 0o600, false, 0o644},
		{"u=rwX,go=rX", 0o700, false, 0o755},
		{"u=rwX,go=rX", 0o600, true, 0o755},
		{"a+x", 0o644, false, 0o755},
		{"+x", 0o644, false, 0o755},
		{"go-rwx", 0o777, false, 0o700},
		{"g=u", 0o640, false, 0o660},
		{"u+s,o+t", 0o755, true, 0o5755},
		{"a-x+X", 0o777, true, 0o777},
		{"=", 0o777, false, 0},
	} {
		c, err := ParseMode(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if got := c.Apply(tc.mode, tc.dir); got != tc.want {
			t.Errorf("%s on %o: %o, want %o", tc.in, tc.mode, got, tc.want)
		}
	}
	for _, bad := range []string{"", "rwx", "u", "u=q", "8", "07778", "10000", "u=r,,g=w", "x+r", "0x1"} {
		if _, err := ParseMode(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
