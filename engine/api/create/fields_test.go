package create

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
)

// body has a field, and what it needs beside it, in a body that is whole without.
func body(t *testing.T, field, example, with string) string {
	t.Helper()
	top := map[string]any{"Image": "box", "NetworkingConfig": map[string]any{"EndpointsConfig": map[string]any{"n": map[string]any{}}}}
	var value any
	if err := json.Unmarshal([]byte(example), &value); err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	at, names := top, strings.Split(field, ".")
	for _, name := range names[:len(names)-1] {
		below, ok := at[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			at[name] = below
		}
		at = below
	}
	if value != nil {
		at[names[len(names)-1]] = value
	}
	if with != "" {
		var more map[string]any
		if err := json.Unmarshal([]byte(with), &more); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		maps.Copy(top, more)
	}
	text, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryFieldIsServed has each field that docker knows of a container do what
// testdata/fields.txt says of it. The clients' tests have that list be whole.
func TestEveryFieldIsServed(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		field, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		kind, rest, _ := strings.Cut(rest, " ")
		example, with, _ := strings.Cut(rest, " {\"OpenStdin")
		if with != "" {
			with = "{\"OpenStdin" + with
		}
		before, err := optionsOf(t, body(t, field, "null", with))
		if err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		after, err := optionsOf(t, body(t, field, example, with))
		same := cmp.Equal(before, after)
		switch kind {
		case "applied":
			if err != nil || same {
				t.Errorf("%s %s changes nothing: %v", field, example, err)
			}
		case "refused":
			if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), path.Ext("." + field)[1:]) {
				t.Errorf("%s %s is not refused by name: %v", field, example, err)
			}
		default:
			if err != nil || !same {
				t.Errorf("%s %s means something: %v", field, example, err)
			}
		}
	}
}
