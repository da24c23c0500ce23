package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// named are objects whose keys are names of things.
var named = []string{"Labels", "Networks", "Ports", "ExposedPorts", "Volumes", "Data", "Options", "Config.Labels", "Sysctls", "Annotations", "Tmpfs"}

// shapeOf is what an answer has: its paths, and what kind of value is there.
func shapeOf(t *testing.T, text string) map[string]bool {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	shape := map[string]bool{}
	addShape(shape, "", v)
	return shape
}

func addShape(shape map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		shape[path+" object"] = true
		for key, value := range v {
			if slices.ContainsFunc(named, func(n string) bool { return strings.HasSuffix(path, "."+n) }) {
				key = "*"
			}
			addShape(shape, path+"."+key, value)
		}
	case []any:
		shape[path+" list"] = true
		for _, value := range v {
			addShape(shape, path+"[]", value)
		}
	case nil:
		shape[path+" null"] = true
	default:
		shape[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// differences are what an older version has besides, and what it lacks.
func differences(newer, older map[string]bool) []string {
	var out []string
	for _, line := range slices.Sorted(maps.Keys(newer)) {
		if !older[line] {
			out = append(out, "without "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(older)) {
		if !newer[line] {
			out = append(out, "with "+line)
		}
	}
	return out
}

// send sends a request and reads the answer.
func (c *client) send(t testing.TB, req *http.Request) (int, string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
