package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"cove/registry/web/webtest"
)

// webhooks has a receiver told of a push, a pull and a delete, and repeats and stops
// deliveries.
func (c *client) webhooks() {
	t := c.t
	heard := make(chan string, 20)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- r.Header.Get("X-Cove-Event") + " " + string(body)
	}))
	t.Cleanup(receiver.Close)
	hear := func(want ...string) {
		t.Helper()
		select {
		case got := <-heard:
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("heard %s, want %s", got, w)
				}
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing is heard, want %v", want)
		}
	}
	c.send(call{id: "createProject", body: object{"name": "told"}}, 201)
	project := map[string]string{"project": "told"}
	for _, wrong := range []object{
		{"name": "x"},
		{"name": "x", "url": "gopher://a"},
		{"name": "x", "url": receiver.URL, "format": "xml"},
		{"name": "x", "url": receiver.URL, "events": []string{"PUSH"}},
		{"name": "x", "url": "http://a:b@example.com"},
	} {
		c.send(call{id: "createWebhook", params: project, body: wrong}, 400)
	}
	c.send(call{id: "createWebhook", params: project, body: object{"name": "x", "url": "http://169.254.169.254/"}}, 400)
	made := c.send(call{id: "createWebhook", params: project, body: object{
		"name": "ci", "url": receiver.URL + "/hook", "secret": "canary", "authorization": "Bearer canary",
		"events": []string{"PUSH_ARTIFACT", "pull_artifact", "DELETE_ARTIFACT"},
	}}, 201)
	if strings.Contains(string(made.body), "canary") {
		t.Errorf("a secret is shown: %s", made.body)
	}
	var list struct{ Items []struct{ ID, Name string } }
	c.into(call{id: "listWebhooks", params: project}, &list)
	one := map[string]string{"project": "told", "webhook": list.Items[0].ID}
	c.send(call{id: "getWebhook", params: one}, 200)

	img := c.site.Push(t, "told/app", "v1", webtest.Image{})
	hear("PUSH_ARTIFACT ", `"tag":"v1"`, `"digest":"`+img.Digest.String(), `"operator":"admin"`, `"repo_full_name":"told/app"`, `/told/app:v1"`)
	c.site.Do(t, webtest.Call{Method: "GET", Path: "/v2/told/app/manifests/v1"}, 200)
	hear("PULL_ARTIFACT ", `"tag":"v1"`, `"operator":"admin"`)
	c.site.Do(t, webtest.Call{Method: "DELETE", Path: "/v2/told/app/manifests/" + img.Digest.String()}, 202)
	hear("DELETE_ARTIFACT ", `"tag":"v1"`)

	c.send(call{id: "changeWebhook", params: one, body: object{"format": "cloudevents", "events": []string{"DELETE_ARTIFACT"}}}, 200)
	c.send(call{id: "testWebhook", params: one}, 201)
	hear("DELETE_ARTIFACT ", `"specversion":"1.0"`, `"type":"harbor.artifact.deleted"`, `/webhook/policies/`+list.Items[0].ID)
	var deliveries struct{ Items []struct{ ID, State string } }
	for {
		if c.into(call{id: "listWebhookDeliveries", params: one, query: url.Values{"limit": {"10"}}}, &deliveries); deliveries.Items[0].State == "done" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(deliveries.Items) != 4 {
		t.Errorf("%+v", deliveries)
	}
	delivery := map[string]string{"project": "told", "webhook": one["webhook"], "delivery": deliveries.Items[0].ID}
	c.send(call{id: "stopWebhookDelivery", params: delivery}, 409)
	c.send(call{id: "retryWebhookDelivery", params: delivery}, 201)
	hear("harbor.artifact.deleted")
	var attempts struct {
		Items []struct {
			Event  string
			Status int
		}
	}
	c.into(call{id: "listWebhookAttempts", params: one}, &attempts)
	if n := len(attempts.Items); n < 4 || attempts.Items[n-1].Event != "PUSH_ARTIFACT" || attempts.Items[n-1].Status != 200 {
		t.Errorf("%+v", attempts)
	}
	c.stopsDelivery()
	c.send(call{id: "deleteWebhook", params: one}, 204)
	c.send(call{id: "getWebhook", params: one}, 404)
	c.send(call{id: "getWebhook", params: map[string]string{"project": "told", "webhook": "x"}}, 400)
}

// stopsDelivery stops what waits because nobody answers.
func (c *client) stopsDelivery() {
	project := map[string]string{"project": "told"}
	var made, delivery struct{ ID string }
	c.made(call{id: "createWebhook", params: project, body: object{"name": "dead", "url": "http://127.0.0.1:1/"}}, &made)
	c.made(call{id: "testWebhook", params: map[string]string{"project": "told", "webhook": made.ID}}, &delivery)
	c.send(call{id: "stopWebhookDelivery", params: map[string]string{
		"project": "told", "webhook": made.ID, "delivery": delivery.ID,
	}}, 204)
}

// made reads the answer of a call that makes something.
func (c *client) made(what call, into any) {
	c.t.Helper()
	if err := json.Unmarshal(c.send(what, 201).body, into); err != nil {
		c.t.Fatal(err)
	}
}
