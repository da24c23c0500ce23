package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
)

// TestTextThatIsNone: a byte 0 and what is no UTF-8 comes in paths, queries, names, passwords, bodies and manifests.
// PostgreSQL fails each statement that has one, which was answered 503 as if the database were gone; SQLite does
// not. Both answer alike, and no answer is a failure of the server.
func TestTextThatIsNone(t *testing.T) {
	for name, dsn := range map[string]func() string{
		"SQLite": func() string { return "" }, "PostgreSQL": func() string { return metadatatest.Postgres(t).New(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReporter(t, config.Config{Database: dsn()})
			image := r.image("team/app", "v1", []byte("layer"))
			body := r.ask("GET", "/v2/team/app/manifests/v1", nil).body
			subject := fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, imageType, image, len(body))
			for what, m := range map[string]string{
				"artifactType":     strings.TrimSuffix(body, "}") + `,"artifactType":"a/b\u0000"` + subject,
				"annotation":       strings.TrimSuffix(body, "}") + `,"annotations":{"a\u0000":"\u0000"}` + subject,
				"no UTF-8":         strings.TrimSuffix(body, "}") + ",\"annotations\":{\"a\":\"\xff\xfe\"}" + subject,
				"half a surrogate": strings.TrimSuffix(body, "}") + `,"annotations":{"a":"\ud800"}` + subject,
				"type of a config": strings.Replace(body, "image.config.v1+json", `x\u0000`, 1),
				"type of a layer":  strings.Replace(body, "image.layer.v1.tar", `x\u0000`, 1),
			} {
				dgst := digest.FromString(m).String()
				r.want(what, r.ask("PUT", "/v2/team/app/manifests/"+dgst, strings.NewReader(m), "Content-Type", imageType), 201)
				r.want(what, r.ask("GET", "/v2/team/app/manifests/"+dgst, nil), 200, m)
			}
			referrers := "/v2/team/app/referrers/" + image.String()
			if a := r.want("by type", r.ask("GET", referrers+"?artifactType=a/b%00", nil), 200); strings.Count(a.body, `"digest"`) != 1 {
				t.Errorf("by its type: %s", a.body)
			}
			for _, path := range []string{
				referrers + "?artifactType=%ff", referrers + "?last=%ff", "/v2/_catalog?last=%00", "/v2/_catalog?last=%ff",
				"/v2/team/app/tags/list?last=%00", "/v2/team/app/tags/list?last=%ff", "/token?scope=repository:team/app%00:pull",
				"/token?scope=repository:%ff:pull", "/api/v2.0/projects?name=%00", "/api/v2.0/audit-logs?q=username=%00",
				"/api/v2.0/search?q=%ff", "/api/v1/projects/%00", "/search?q=%00", "/search?q=%ff",
			} {
				if a := r.ask("GET", path, nil); a.code >= 500 {
					t.Errorf("%s: %d %s", path, a.code, a.body)
				}
			}
			for _, who := range []string{"ad\x00min", "\xff\xfe", "\x00", "admin\x00"} {
				req, err := http.NewRequestWithContext(t.Context(), "GET", r.base+"/v2/", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(who+":"+testPassword)))
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				if _ = resp.Body.Close(); resp.StatusCode != 401 {
					t.Errorf("%q signs in: %s", who, resp.Status)
				}
			}
			if a := r.ask("POST", "/api/v1/groups", strings.NewReader(`{"name":"g\u0000"}`), "Content-Type", "application/json"); a.code >= 500 {
				t.Errorf("a group: %d %s", a.code, a.body)
			}
		})
	}
}
