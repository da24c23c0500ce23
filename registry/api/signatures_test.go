package api_test

import (
	"strings"

	"cove/distribution/signature/signaturetest"
	"cove/registry/web/webtest"
)

// signatures trusts a key, has only signed images pulled, signs one, and takes all back.
func (c *client) signatures() {
	t := c.t
	image := c.site.Push(t, "sealed/app", "v1", webtest.Image{})
	name, project := map[string]string{"artifact": "sealed/app:v1"}, map[string]string{"project": "sealed"}
	key := signaturetest.New(t, "ecdsa")
	c.send(call{id: "setSigning", params: project, body: object{"required": true}}, 409)
	c.send(call{id: "addSigningKey", params: project, body: object{"name": "release", "pem": "hello"}}, 400)
	added := c.send(call{id: "addSigningKey", params: project, body: object{"name": "release", "pem": string(key.PEM)}}, 201)
	if at := added.header.Get("Location"); at != "/api/v1/projects/sealed/signing/keys/release" {
		t.Errorf("Location %q", at)
	}
	c.send(call{id: "addSigningKey", params: project, body: object{"name": "release", "pem": string(key.PEM)}}, 409)
	c.send(call{id: "setSigning", params: project, body: object{"required": true}}, 204)
	refused := string(c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/sealed/app/manifests/v1"}, 403))
	if !strings.Contains(refused, `"DENIED"`) || !strings.Contains(refused, "it is not signed") {
		t.Errorf("refusal %s", refused)
	}
	c.site.Do(t, webtest.Call{Method: "HEAD", Path: "/v2/sealed/app/manifests/" + image.Digest.String()}, 403)
	c.site.Sign(t, "sealed/app", image, key)
	var r struct {
		Required, Counts bool
		Key              string
		Signatures       []struct {
			Form, Key, Reason string
			Counts            bool
		}
	}
	if c.into(call{id: "getSignatures", params: name}, &r); !r.Required || !r.Counts || r.Key != "release" || len(r.Signatures) != 1 ||
		!r.Signatures[0].Counts || r.Signatures[0].Form != "cosign" {
		t.Errorf("%+v", r)
	}
	c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/sealed/app/manifests/v1"}, 200)
	c.send(call{id: "deleteSigningKey", params: map[string]string{"project": "sealed", "key": "release"}}, 204)
	c.send(call{id: "deleteSigningKey", params: map[string]string{"project": "sealed", "key": "release"}}, 404)
	c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/sealed/app/manifests/v1"}, 403)
	c.send(call{id: "setSigning", params: project, body: object{"required": false}}, 204)
	var p struct {
		Required bool
		Keys     []object
	}
	if c.into(call{id: "getSigning", params: project}, &p); p.Required || len(p.Keys) != 0 {
		t.Errorf("%+v", p)
	}
	c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/sealed/app/manifests/v1"}, 200)
}
