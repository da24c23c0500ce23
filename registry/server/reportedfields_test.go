package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
)

// TestEveryField: each text in the body of each operation of /api/v1, as its document
// describes it, and of the façade of Harbor's API is once no text (a byte 0, no UTF-8),
// once empty, once long and once of letters that few expect. What is no text is refused
// on both databases, and nothing makes the server fail.
func TestEveryField(t *testing.T) {
	for name, dsn := range map[string]func() string{
		"SQLite": func() string { return "" }, "PostgreSQL": func() string { return metadatatest.Postgres(t).New(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReporter(t, config.Config{Database: dsn()})
			r.image("team/app", "v1", []byte("layer"))
			r.want("a user", r.ask("POST", "/api/v1/users", strings.NewReader(`{"name":"anne","password":"Passw0rd-of-anne"}`),
				"Content-Type", "application/json"), 201)
			asked := 0
			for _, op := range append(describedBodies(r), facadeBodies()...) {
				for _, field := range fieldsOf(op.body, "") {
					for kind, text := range oddTexts {
						if op.path == "/api/v1/me/password" && !strings.HasPrefix(kind, "no text") {
							continue // which would be the administrator's
						}
						body := strings.Replace(jsonOf(t, setField(op.body, field, textMark)), textMark, text, 1)
						a := r.ask(op.method, op.path, strings.NewReader(body), "Content-Type", "application/json")
						if asked++; a.code == 401 {
							t.Fatalf("%s %s took the administrator's account: %s %s", op.method, op.path, a.body, body)
						}
						if refuse := strings.HasPrefix(kind, "no text"); a.code >= 500 && a.code != 501 || refuse && a.code < 400 {
							t.Errorf("%s %s, %s is %s: %d %s", op.method, op.path, field, kind, a.code, a.body)
						}
					}
				}
			}
			if asked < 1000 {
				t.Errorf("%d requests were made of all operations", asked)
			}
			t.Logf("%d requests", asked)
		})
	}
}

// textMark stands for the text until the body is encoded, as no encoder writes what is no text.
const textMark = "<<text>>"

var oddTexts = map[string]string{
	"no text: a byte 0": `x\u0000`, "no text: no UTF-8": "x\xff", "empty": "", "long": strings.Repeat("a", 20_000),
	"half a surrogate": `\ud800`, "beyond the first plane": "\U0001F4A9\u202e%_'\\\"",
}

// written is a request that changes something, with a body as its schema has it.
type written struct {
	method, path string
	body         any
}

// describedBodies is made of the document of the API.
func describedBodies(r *reporter) (all []written) {
	r.t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal([]byte(r.ask("GET", "/api/v1/openapi.json", nil).body), &document); err != nil {
		r.t.Fatal(err)
	}
	fill := strings.NewReplacer("{project}", "team", "{user}", "anne", "{artifact}", "team/app:v1", "{repository}", "team/app", "{name}", "team")
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for method, op := range document.Paths[path] {
			if body, ok := op.RequestBody.Content["application/json"]; ok {
				all = append(all, written{
					strings.ToUpper(method), "/api/v1" + fill.Replace(path), example(body.Schema, document.Components.Schemas, 0),
				})
			}
		}
	}
	return all
}

// example is a value of a schema.
func example(schema map[string]any, named map[string]map[string]any, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema = named[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	inner := func(key string) any {
		s, _ := schema[key].(map[string]any)
		return example(s, named, depth+1)
	}
	switch schema["type"] {
	case "string":
		if schema["format"] == "date-time" {
			return "2040-01-02T03:04:05Z"
		}
		return "x"
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "array":
		return []any{inner("items")}
	}
	made := map[string]any{}
	properties, ok := schema["properties"].(map[string]any)
	if !ok && schema["additionalProperties"] != nil {
		return map[string]any{"k": inner("additionalProperties")}
	}
	for name, property := range properties {
		if s, ok := property.(map[string]any); ok && depth < 6 {
			made[name] = example(s, named, depth+1)
		}
	}
	return made
}

// facadeBodies are those of Harbor's API, as its clients send them.
func facadeBodies() []written {
	const base = "/api/v2.0"
	access := []any{map[string]any{"resource": "repository", "action": "pull"}}
	trigger := map[string]any{"type": "manual", "trigger_settings": map[string]any{"cron": ""}}
	scope := []any{map[string]any{"decoration": "matches", "kind": "doublestar", "pattern": "**"}}
	rule := map[string]any{
		"action": "immutable", "template": "immutable_template", "tag_selectors": scope,
		"scope_selectors": map[string]any{"repository": scope},
	}
	return []written{
		{http.MethodPost, base + "/users", map[string]any{"username": "u1", "email": "u@x.example", "realname": "U", "password": "Passw0rd1", "comment": ""}},
		{http.MethodPut, base + "/users/2/password", map[string]any{"old_password": "a", "new_password": "b"}},
		{http.MethodPost, base + "/usergroups", map[string]any{"group_name": "g1", "group_type": 3, "ldap_group_dn": ""}},
		{http.MethodPost, base + "/projects", map[string]any{"project_name": "p1", "metadata": map[string]any{"public": "false"}}},
		{http.MethodPut, base + "/projects/team", map[string]any{"metadata": map[string]any{"public": "false"}}},
		{http.MethodPut, base + "/projects/team/metadatas/public", map[string]any{"public": "true"}},
		{http.MethodPost, base + "/projects/team/members", map[string]any{"role_id": 1, "member_user": map[string]any{"username": "admin"}}},
		{http.MethodPost, base + "/projects/team/repositories/app/artifacts/v1/tags", map[string]any{"name": "v2"}},
		{http.MethodPost, base + "/robots", map[string]any{
			"name": "ci", "description": "d", "level": "project", "duration": -1,
			"permissions": []any{map[string]any{"kind": "project", "namespace": "team", "access": access}},
		}},
		{http.MethodPost, base + "/labels", map[string]any{"name": "l", "description": "d", "color": "#FFFFFF", "scope": "g"}},
		{http.MethodPost, base + "/projects/team/webhook/policies", map[string]any{
			"name": "w", "description": "d", "event_types": []any{"PUSH_ARTIFACT"}, "enabled": true,
			"targets": []any{map[string]any{"type": "http", "address": "https://hook.example/", "auth_header": "x"}},
		}},
		{http.MethodPost, base + "/projects/team/immutabletagrules", rule},
		{http.MethodPost, base + "/retentions", map[string]any{
			"algorithm": "or", "scope": map[string]any{"level": "project", "ref": 1}, "trigger": map[string]any{"kind": "Schedule", "settings": map[string]any{"cron": ""}},
			"rules": []any{map[string]any{
				"action": "retain", "template": "always", "tag_selectors": scope, "scope_selectors": map[string]any{"repository": scope},
			}},
		}},
		{http.MethodPost, base + "/registries", map[string]any{
			"name": "r", "type": "docker-registry", "url": "https://r.example", "description": "d",
			"credential": map[string]any{"type": "basic", "access_key": "k", "access_secret": "s"},
		}},
		{http.MethodPost, base + "/replication/policies", map[string]any{
			"name": "c", "description": "d", "dest_namespace": "n", "trigger": trigger, "dest_registry": map[string]any{"id": 1},
			"filters": []any{map[string]any{"type": "name", "value": "team/**"}},
		}},
	}
}

// fieldsOf are the ways to the texts of a body.
func fieldsOf(v any, at string) (all []string) {
	switch v := v.(type) {
	case string:
		return []string{at}
	case []any:
		for i, e := range v {
			all = append(all, fieldsOf(e, fmt.Sprintf("%s/%d", at, i))...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, fieldsOf(v[k], at+"/"+k)...)
		}
	}
	return all
}

// setField is a copy of a body with another text at one place.
func setField(v any, at, text string) any {
	first, rest, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	switch v := v.(type) {
	case []any:
		made := slices.Clone(v)
		for i := range made {
			if fmt.Sprint(i) == first {
				made[i] = setField(v[i], rest, text)
			}
		}
		return made
	case map[string]any:
		made := maps.Clone(v)
		made[first] = setField(v[first], rest, text)
		return made
	}
	return text
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
