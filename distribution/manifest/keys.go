package manifest

import (
	"bytes"
	"encoding/json"
	"strings"
)

// uniqueKeys refuses a document in which an object at the top or within its
// descriptors has a key twice, in whatever case: encoding/json takes the last
// one and folds case, other readers take the first or the exact one, and each
// would see another image under the same digest. body is valid JSON.
func uniqueKeys(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	return walk(dec)
}

// frame is one object or array that is open.
type frame struct {
	keys map[string]bool // nil in an array
	key  bool            // the next token is a key
}

func walk(dec *json.Decoder) error {
	var open []frame
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil //nolint:nilerr // io.EOF: the document was valid, and now is read
		}
		switch d, isDelim := tok.(json.Delim); {
		case isDelim && (d == '}' || d == ']'):
			open = open[:len(open)-1]
			ended(open)
			continue
		case isDelim && d == '{':
			open = append(open, frame{keys: make(map[string]bool, 4), key: true})
			continue
		case isDelim:
			open = append(open, frame{})
			continue
		}
		if n := len(open); n > 0 && open[n-1].keys != nil && open[n-1].key {
			name, _ := tok.(string)
			if err := open[n-1].add(name); err != nil {
				return err
			}
			continue
		}
		ended(open)
	}
}

// ended notes that a value is complete, after which an object has a key.
func ended(open []frame) {
	if n := len(open); n > 0 {
		open[n-1].key = true
	}
}

func (f *frame) add(name string) error {
	// Annotations and platform fields are the author's: only exact repetition
	// is refused for keys that this package does not read.
	id := name
	if folded := strings.ToLower(name); known[folded] {
		id = folded
	}
	if f.keys[id] {
		return invalid("key %q is there twice", name)
	}
	f.keys[id] = true
	f.key = false
	return nil
}

var known = map[string]bool{
	"schemaversion": true, "mediatype": true, "artifacttype": true, "config": true, "layers": true,
	"manifests": true, "blobs": true, "fslayers": true, "subject": true, "digest": true, "size": true,
	"data": true, "urls": true,
}
