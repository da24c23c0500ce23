package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cove/internal/buildinfo"
)

// object is one of the document's JSON objects.
type object map[string]any

// document answers with the OpenAPI document (3.0.3) of the table.
func (a *API) document(*ask) (any, error) {
	paths, schemas := object{}, object{}
	for _, op := range a.table() {
		path, params := parsePath(op.path)
		entry, ok := paths[path].(object)
		if !ok {
			entry = object{}
			paths[path] = entry
		}
		entry[strings.ToLower(op.method)] = op.describe(params, schemas)
	}
	schemaOf(reflect.TypeFor[Problem](), schemas)
	text, err := json.Marshal(object{
		"openapi": "3.0.3",
		"info":    object{"title": "cove registry", "version": buildinfo.Version()},
		"servers": []object{{"url": Base}},
		"paths":   paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": object{"basic": object{"type": "http", "scheme": "basic"}},
		},
	})
	return json.RawMessage(text), err
}

var part = regexp.MustCompile(`\{([a-z]+)(\.\.\.)?\}`)

// parsePath is a path as the document has it, and the names of its parts. One
// that takes slashes too is described as such: OpenAPI has no word for it.
func parsePath(path string) (named string, params []object) {
	for _, m := range part.FindAllStringSubmatch(path, -1) {
		p := object{"name": m[1], "in": "path", "required": true, "schema": object{"type": kindText}}
		if m[2] != "" {
			p["description"] = "with its slashes as they are"
		}
		params = append(params, p)
	}
	return part.ReplaceAllString(path, "{$1}"), params
}

// describe is the operation as the document has it.
func (op operation) describe(params []object, schemas object) object {
	for _, q := range op.query {
		params = append(params, object{
			"name": q.name, "in": "query", "description": q.about, "schema": object{"type": q.kind},
		})
	}
	if op.method == http.MethodPatch {
		params = append(params, object{
			"name": "If-Match", "in": "header", "schema": object{"type": kindText},
			"description": "the ETag of what was seen; if it has changed since, nothing is done (412)",
		})
	}
	answer := object{"description": http.StatusText(op.status)}
	if op.answer != nil {
		answer["content"] = jsonOf("application/json", schemaOf(reflect.TypeOf(op.answer), schemas))
	}
	answers := object{strconv.Itoa(op.status): answer, "default": object{
		"description": "what went wrong",
		"content":     jsonOf("application/problem+json", object{"$ref": "#/components/schemas/Problem"}),
	}}
	if op.etag && op.method == http.MethodGet {
		answers["304"] = object{"description": http.StatusText(http.StatusNotModified)}
	}
	described := object{
		"operationId": op.id, "summary": op.summary, "responses": answers,
		// without credentials too: the answer is then what anyone may see
		"security":       []object{{"basic": []string{}}, {}},
		"x-takes-right":  string(op.right),
		"x-right-object": op.object,
	}
	if params != nil {
		described["parameters"] = params
	}
	if op.body != nil {
		described["requestBody"] = object{
			"required": true, "content": jsonOf("application/json", schemaOf(reflect.TypeOf(op.body), schemas)),
		}
	}
	return described
}

func jsonOf(kind string, schema object) object { return object{kind: object{"schema": schema}} }

var timeType = reflect.TypeFor[time.Time]()

// schemaOf is the schema of a type as encoding/json writes it. Structs are put
// among schemas by name.
func schemaOf(t reflect.Type, schemas object) object {
	switch {
	case t == timeType:
		return object{"type": kindText, "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), schemas)
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": kindNumber, "format": "int64"}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem(), schemas)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem(), schemas)}
	case reflect.Struct:
		return structOf(t, schemas)
	}
	return object{"type": kindText}
}

func structOf(t reflect.Type, schemas object) object {
	name := schemaName(t)
	ref := object{"$ref": "#/components/schemas/" + name}
	if _, known := schemas[name]; known {
		return ref
	}
	properties, required := object{}, []string{}
	schema := object{"type": "object", "additionalProperties": false, "properties": properties}
	schemas[name] = schema
	for f := range t.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[key] = schemaOf(f.Type, schemas)
		if options != "omitempty" {
			required = append(required, key)
		}
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	return ref
}

// schemaName is a type's name: of Page[T], "PageOf" and that of T.
func schemaName(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	if !generic {
		return name
	}
	return name + "Of" + strings.TrimSuffix(of[strings.LastIndex(of, ".")+1:], "]")
}
