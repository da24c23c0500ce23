package harbor_test

import (
	"fmt"
	"testing"

	"cove/registry/harbor/shape"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestQuotas sets and reads limits as the Terraform provider does: with the project, in its
// summary, and by the quota, whose number is the project's.
func TestQuotas(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	c.do("POST", "/users", object{"username": "alice", "password": webtest.Password}, 201)
	alice := harborClient{t, c.site, [2]string{"alice", webtest.Password}}
	id := c.do("POST", "/projects", object{"project_name": "team", "storage_limit": 1 << 30}, 201).id()
	other := c.do("POST", "/projects", object{"project_name": "other", "storage_limit": -1}, 201).id()
	c.do("GET", "/projects/team/summary", nil, 200).has(`"quota":{"hard":{"storage":1073741824},"used":{"storage":0}}`)
	image := c.site.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	var q struct {
		ID         int64
		Ref        struct{ Name string }
		Hard, Used struct{ Storage int64 }
	}
	c.do("GET", "/quotas/"+id, nil, 200).into(&q)
	if fmt.Sprint(q.ID) != id || q.Ref.Name != "team" || q.Hard.Storage != 1<<30 || q.Used.Storage < image.Size {
		t.Errorf("the quota of the project %s: %+v", id, q)
	}
	c.do("PUT", "/quotas/"+id, object{"hard": object{"storage": 5}}, 200)
	c.do("GET", "/quotas?reference=project&reference_id="+id, nil, 200).has(`"hard":{"storage":5}`).hasNot(`"other"`)
	c.do("PUT", "/projects/team", object{"storage_limit": 7}, 200)
	for order, want := range map[string]string{
		"sort=-used.storage": "team", "sort=used.storage": "library", "sort=-hard.storage": "team", "sort=id&page_size=100": "library",
	} {
		var list []struct{ Ref struct{ Name string } }
		reply := c.do("GET", "/quotas?"+order, nil, 200)
		if reply.into(&list); len(list) != 3 || list[0].Ref.Name != want || reply.header.Get("X-Total-Count") != "3" {
			t.Errorf("%s: %+v of %s", order, list, reply.header.Get("X-Total-Count"))
		}
	}
	for path, status := range map[string]int{
		"/quotas?sort=name;drop": 400, "/quotas?reference=user": 501, "/quotas?reference_id=x": 400, "/quotas/7": 404, "/quotas/x": 400,
		"/quotas?q=name=x": 501,
	} {
		c.do("GET", path, nil, status)
	}
	for _, body := range []any{object{}, object{"hard": object{}}, object{"hard": object{"storage": -2}}, object{"hard": object{"cpu": 1}}} {
		c.do("PUT", "/quotas/"+other, body, 400)
	}
	alice.do("GET", "/quotas", nil, 403)
	alice.do("PUT", "/quotas/"+id, object{"hard": object{"storage": -1}}, 403)
	c.do("POST", "/projects/other/members", object{"role_id": 1, "member_user": object{"username": "alice"}}, 201)
	alice.do("PUT", "/projects/other", object{"storage_limit": 1 << 40}, 403)
	alice.do("PUT", "/projects/other", object{"storage_limit": -1, "public": true}, 200)
	alice.do("GET", "/projects/other/summary", nil, 200).has(`"quota":{"hard":{"storage":-1}`)
}

// TestWebhooks makes, reads and changes one as the Terraform provider does.
func TestWebhooks(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	c.do("POST", "/projects", object{"project_name": "team"}, 201)
	const all = "/projects/team/webhook/policies"
	target := object{"type": "http", "address": "https://ci.example.com/x", "auth_header": "Bearer hunter2", "skip_cert_verify": true}
	hook := object{
		"name": "ci", "description": "", "enabled": true, "event_types": []string{"PUSH_ARTIFACT", "DELETE_ARTIFACT"},
		"targets": []object{target},
	}
	id := c.do("POST", all, hook, 201).id()
	c.do("POST", all, hook, 409)
	c.do("GET", all+"/"+id, nil, 200).has(`"name":"ci"`, `"address":"https://ci.example.com/x"`, `"payload_format":"Default"`,
		`"skip_cert_verify":true`, `"PUSH_ARTIFACT"`, `"enabled":true`).hasNot("hunter2")
	var read map[string]any
	c.do("GET", all+"/"+id, nil, 200).into(&read)
	c.do("PUT", all+"/"+id, read, 200) // what was answered can be sent back
	var again map[string]any
	c.do("GET", all+"/"+id, nil, 200).into(&again)
	read["update_time"], again["update_time"] = "", ""
	if fmt.Sprint(read) != fmt.Sprint(again) {
		t.Errorf("%v became %v", read, again)
	}
	target["payload_format"], hook["enabled"], hook["name"] = "CloudEvents", false, "cd"
	c.do("PUT", all+"/"+id, hook, 200)
	c.do("GET", all+"?q=name=cd", nil, 200).has(`"payload_format":"CloudEvents"`, `"enabled":false`)
	c.do("GET", all+"?q=name=ci", nil, 200).hasNot("CloudEvents")
	target["type"] = "slack"
	delete(target, "payload_format")
	c.do("PUT", all+"/"+id, hook, 200)
	c.do("GET", all+"/"+id, nil, 200).has(`"type":"slack"`)
	c.do("GET", "/projects/team/webhook/events", nil, 200).has("QUOTA_EXCEED", "slack", "CloudEvents")
	for field, bad := range map[string]struct {
		value  any
		status int
	}{
		"targets":     {[]object{}, 501},
		"event_types": {[]string{"SOMETHING"}, 400},
		"description": {"for the builds", 501},
		"unknown":     {1, 400},
	} {
		wrong := object{}
		for k, v := range hook {
			wrong[k] = v
		}
		wrong[field] = bad.value
		c.do("PUT", all+"/"+id, wrong, bad.status)
	}
	own := object{"name": "talk", "url": "https://teams.example.com/x", "format": "teams", "events": []string{"PUSH_ARTIFACT"}}
	c.ask("POST", "/api/v1/projects/team/webhooks", own, 201)
	var talk []shape.Webhook
	c.do("GET", all+"?q=name=talk", nil, 200).into(&talk)
	talk[0].Name = "talks"
	c.do("PUT", fmt.Sprintf("%s/%d", all, talk[0].ID), talk[0], 200)
	c.ask("GET", "/api/v1/projects/team/webhooks", nil, 200).has(`"talks"`, `"teams"`) // it keeps the format that Harbor has not
	target["type"] = "teams"
	c.do("PUT", all+"/"+id, hook, 400)
	target["type"], target["payload_format"] = "http", "XML"
	c.do("PUT", all+"/"+id, hook, 400)
	target["payload_format"], target["address"] = "Default", "ftp://x"
	c.do("PUT", all+"/"+id, hook, 400)
	c.do("DELETE", all+"/"+id, nil, 200)
	c.do("GET", all+"/"+id, nil, 404)
	c.do("DELETE", all+"/x", nil, 400)
}
