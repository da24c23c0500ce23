package rest

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

// Document is the OpenAPI document (3.0.3) of a table.
func Document(table []Operation) (json.RawMessage, error) {
	paths, schemas := object{}, object{}
	for _, op := range table {
		path, params := parsePath(op.Path)
		entry, ok := paths[path].(object)
		if !ok {
			entry = object{}
			paths[path] = entry
		}
		entry[strings.ToLower(op.Method)] = op.describe(params, schemas)
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
		p := object{"name": m[1], "in": "path", "required": true, "schema": object{"type": KindText}}
		if m[2] != "" {
			p["description"] = "with its slashes as they are"
		}
		params = append(params, p)
	}
	return part.ReplaceAllString(path, "{$1}"), params
}

// conditional says whether the operation looks at If-Match.
func (op Operation) conditional() bool {
	return op.Method == http.MethodPatch || op.Method == http.MethodPut && op.ETag
}

// describe is the operation as the document has it.
func (op Operation) describe(params []object, schemas object) object {
	for _, q := range op.Query {
		params = append(params, object{
			"name": q.Name, "in": "query", "description": q.About, "schema": object{"type": q.Kind},
		})
	}
	if op.conditional() {
		params = append(params, object{
			"name": "If-Match", "in": "header", "schema": object{"type": KindText},
			"description": "the ETag of what was seen; if it has changed since, nothing is done (412)",
		})
	}
	answer := object{"description": http.StatusText(op.Status)}
	if kind, ok := op.Answer.(Text); ok {
		answer["content"] = jsonOf(string(kind), object{"type": KindText})
	} else if op.Answer != nil {
		answer["content"] = jsonOf("application/json", schemaOf(reflect.TypeOf(op.Answer), schemas))
	}
	answers := object{strconv.Itoa(op.Status): answer, "default": object{
		"description": "what went wrong",
		"content":     jsonOf("application/problem+json", object{"$ref": "#/components/schemas/Problem"}),
	}}
	if op.ETag && op.Method == http.MethodGet {
		answers["304"] = object{"description": http.StatusText(http.StatusNotModified)}
	}
	described := object{
		"operationId": op.ID, "summary": op.Summary, "responses": answers,
		// without credentials too: the answer is then what anyone may see
		"security":       []object{{"basic": []string{}}, {}},
		"x-takes-right":  string(op.Right),
		"x-right-object": op.Object,
	}
	if op.Loss != nil {
		described["description"], described["x-undone-by"] = op.Loss.What+" Nothing brings it back.", nil
		if op.Loss.Undo != "" {
			described["description"] = op.Loss.What + " " + op.Loss.Undo + " brings it back."
			described["x-undone-by"] = op.Loss.Undo
		}
	}
	if params != nil {
		described["parameters"] = params
	}
	if op.Body != nil {
		described["requestBody"] = object{
			"required": true, "content": jsonOf("application/json", schemaOf(reflect.TypeOf(op.Body), schemas)),
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
		return object{"type": KindText, "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), schemas)
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": KindNumber, "format": "int64"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface: // anything
		return object{}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem(), schemas)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem(), schemas)}
	case reflect.Struct:
		return structOf(t, schemas)
	}
	return object{"type": KindText}
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
