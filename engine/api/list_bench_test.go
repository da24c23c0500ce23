package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// BenchmarkListThousand lists a thousand containers that do not run, as docker ps -a
// does.
func BenchmarkListThousand(b *testing.B) {
	c := serve(b, withBox(b))
	const body = `{"Image":"box","Cmd":["sleep","1000"],"Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}},
		"HostConfig":{"Binds":["/tmp:/there"]}}`
	for range 1000 {
		c.create(b, body)
	}
	for b.Loop() {
		var rows []struct{ Labels map[string]string }
		text := c.want(b, http.StatusOK, "GET", "/v1.51/containers/json?all=1", "")
		if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != 1000 || rows[999].Labels["a"] != "b" {
			b.Fatalf("%v: %d rows", err, len(rows))
		}
	}
}
