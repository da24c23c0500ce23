package harbor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// planned is a resource of Harbor's Terraform provider, by the requests that it makes of
// one: it creates it and follows Location, reads it, compares what it read with what the
// configuration says, changes it by the whole body, and deletes it. It sends all fields of
// its structures, those too that hold nothing, and takes an answer of any other status than
// Harbor's for a failure.
type planned struct {
	kind, create string
	body, change object
	// read and changed are what the provider compares: paths into the answer, with what
	// there is to be.
	read, changed object
	list          string // where the resource is read when it has no path of its own
	remove        object // the body of the PUT that stands for DELETE
}

// locationOf is the id that the provider takes from an answer.
func locationOf(a answer) string {
	return strings.ReplaceAll(strings.ReplaceAll(a.header.Get("Location"), "/api", ""), "/v2.0", "")
}

// at is the value of a path as "targets.0.address" in a JSON document; nil is none.
func at(doc any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

// numbered reads a JSON document, with all digits of its numbers.
func (c harborClient) numbered(text []byte) (doc any) {
	c.t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		c.t.Fatal(err)
	}
	return doc
}

// plan compares what is read with what the configuration says: a difference is what
// Terraform would want to change, for ever.
func (c harborClient) plan(r planned, id string, want object) {
	c.t.Helper()
	path := id
	if r.list != "" {
		path = r.list
	}
	doc := c.numbered(c.do("GET", path, json.RawMessage("null"), 200).body)
	if list, ok := doc.([]any); ok {
		i := slices.IndexFunc(list, func(one any) bool {
			return strings.HasSuffix(id, fmt.Sprint("/", at(one, "id")))
		})
		if i < 0 {
			c.t.Fatalf("%s %s is not in %s: %v", r.kind, id, path, doc)
		}
		doc = list[i]
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		text, _ := json.Marshal(want[key])
		value := c.numbered(text)
		if got := at(doc, key); !reflect.DeepEqual(got, value) {
			c.t.Errorf("%s: %s is %v, and the configuration says %v", r.kind, key, got, value)
		}
	}
}

// live takes a resource through its life; keep leaves it.
func (c harborClient) live(r planned, keep bool) (id string) {
	c.t.Helper()
	id = locationOf(c.do("POST", r.create, r.body, 201))
	c.plan(r, id, r.read)
	if r.change != nil {
		c.do("PUT", id, r.change, 200)
		c.plan(r, id, r.changed)
		c.do("PUT", id, r.body, 200)
		c.plan(r, id, r.read)
	}
	if !keep {
		c.destroy(r, id)
	}
	return id
}

func (c harborClient) destroy(r planned, id string) {
	c.t.Helper()
	if r.remove != nil {
		c.do("PUT", id, r.remove, 200)
	} else {
		c.do("DELETE", id, json.RawMessage("null"), 200)
	}
	if r.list == "" {
		c.do("GET", id, nil, http.StatusNotFound)
	}
}

// project is the body of harbor_project, as the provider sends it.
func tfProject(name string, over object) object {
	meta := object{
		"auto_scan": "true", "public": "false", "severity": "low", "prevent_vul": "false", "enable_content_trust": "false",
		"enable_content_trust_cosign": "false", "auto_sbom_generation": "false", "proxy_speed_kb": "-1", "reuse_sys_cve_allowlist": "true",
	}
	maps.Copy(meta, over)
	return object{"project_name": name, "storage_limit": -1, "cve_allowlist": object{}, "metadata": meta}
}

func tfUser(email, name string) object {
	return object{"username": "terra", "password": "Correct-horse-1", "email": email, "realname": name, "new_password": "Correct-horse-1"}
}

func tfRobot(action string, over object) object {
	robot := object{
		"name": "ci", "level": "project", "description": "builds", "duration": -1,
		"permissions": []object{{"kind": "project", "namespace": "infra", "access": []object{
			{"action": "pull", "resource": "repository", "effect": "allow"}, {"action": action, "resource": "repository", "effect": "allow"},
		}}},
	}
	maps.Copy(robot, over)
	return robot
}

func tfKeeps(id string, ref int, rules ...object) object {
	cron := "0 0 0 * * *"
	if len(rules) == 0 {
		cron, rules = "", []object{}
	}
	body := object{
		"algorithm": "or", "scope": object{"level": "project", "ref": ref}, "rules": rules,
		"trigger": object{"kind": "Schedule", "references": object{}, "settings": object{"cron": cron}},
	}
	if id != "" {
		body["id"] = ref
	}
	return body
}

func tfRule(template string, n int) object {
	return object{
		"disabled": false, "action": "retain", "template": template, "params": object{template: n},
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}},
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "matches", "pattern": "v*", "extras": `{"untagged":true}`}},
	}
}

func tfImmutable(id int, tags string) object {
	body := object{
		"disabled": false, "scope": object{"level": "", "ref": 0}, "action": "immutable", "template": "immutable_template",
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}},
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "excludes", "pattern": tags}},
	}
	if id != 0 {
		body["id"] = id
	}
	return body
}

func tfHook(events ...string) object {
	return object{
		"update_time": "0001-01-01T00:00:00Z", "creation_time": "0001-01-01T00:00:00Z", "creator": "", "description": "", "enabled": true,
		"targets":     []object{{"type": "http", "auth_header": "", "skip_cert_verify": true, "address": "https://hooks.example.com", "payload_format": "Default"}},
		"event_types": events, "project_id": 0, "id": 0, "name": "ci",
	}
}

func tfLabel(text string) object {
	return object{"description": text, "color": "#FFFFFF", "deleted": false, "scope": "g", "project_id": 0, "id": 0, "name": "accepted"}
}

func tfRegistry(url string) object {
	return object{"credential": object{"access_key": "me", "access_secret": "pass", "type": "basic"}, "name": "far", "url": url, "type": "harbor"}
}

func tfCopies(registry int, enabled bool) object {
	return object{
		"name": "copies", "id": 0, "src_registry": object{}, "dest_registry": object{"id": registry}, "dest_namespace": "mirror",
		"dest_namespace_replace_count": -1, "trigger": object{"type": "scheduled", "trigger_settings": object{"cron": "0 0 0 * * *"}},
		"enabled": enabled, "override": true, "copy_by_chunk": false, "single_active_replication": false, "speed": -1,
		"filters": []object{{"type": "name", "value": "infra/**"}, {"type": "tag", "value": "v*", "decoration": "matches"}, {"type": "resource", "value": "image"}},
	}
}

func tfMember(role int, user, group string) object {
	body := object{"role_id": role, "member_user": object{}, "member_group": object{}}
	if user != "" {
		body["member_user"] = object{"username": user}
	} else {
		body["member_group"] = object{"group_name": group, "group_type": 2}
	}
	return body
}

// TestTerraformsRequests sends what Harbor's Terraform provider sends for each of its
// resources that this registry has, and compares what it reads as the provider does: what
// is applied is read back the same, so that a second plan wants nothing, changes in place
// are taken, and what is destroyed is gone.
func TestTerraformsRequests(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			cfg := config.Config{}
			if engine == "postgres" {
				cfg.Database = metadatatest.Postgres(t).New(t)
			}
			c := harborClient{t, webtest.Start(t, cfg), [2]string{"admin", webtest.Password}}
			var settings map[string]struct{ Value any }
			c.do("GET", "/configurations", json.RawMessage("null"), 200).into(&settings)
			if settings["robot_name_prefix"].Value != "robot$" || settings["quota_per_project_enable"].Value != true {
				t.Errorf("settings %v", settings)
			}
			c.terraform()
		})
	}
}

func (c harborClient) terraform() {
	meta := func(over object) object {
		all := object{"name": "infra", "cve_allowlist.items": []any{}}
		for key, value := range tfProject("", over)["metadata"].(object) {
			if key != "proxy_speed_kb" && (key != "severity" || over["prevent_vul"] == "true") {
				all["metadata."+key] = value
			}
		}
		return all
	}
	strict := object{"prevent_vul": "true", "severity": "high", "public": "true", "auto_sbom_generation": "true", "auto_scan": "false"}
	lets := tfProject("infra", object{"reuse_sys_cve_allowlist": "false"})
	lets["cve_allowlist"] = object{"items": []object{{"cve_id": "CVE-2024-2"}, {"cve_id": "CVE-2024-1"}}}
	project := planned{
		kind: "harbor_project", create: "/projects", body: tfProject("infra", nil), read: meta(nil),
		change: tfProject("infra", strict), changed: meta(strict),
	}
	infra := c.live(project, true)
	c.do("PUT", infra, lets, 200)
	c.plan(project, infra, object{
		"metadata.reuse_sys_cve_allowlist": "false",
		"cve_allowlist.items":              []object{{"cve_id": "CVE-2024-2"}, {"cve_id": "CVE-2024-1"}},
	})
	c.do("PUT", infra, project.body, 200)
	c.plan(project, infra, project.read)
	var number int
	if _, err := fmt.Sscanf(infra, "/projects/%d", &number); err != nil {
		c.t.Fatalf("the project is at %s", infra)
	}
	var quotas []struct {
		ID  int
		Ref struct{ ID int }
	}
	c.do("GET", "/quotas/?page=1&page_size=100", json.RawMessage("null"), 200).into(&quotas)
	c.do("PUT", fmt.Sprintf("/quotas/%d", quotas[0].ID), object{"hard": object{"storage": 5 << 30}}, 200)

	user := planned{
		kind: "harbor_user", create: "/users", body: tfUser("t@example.com", "Terra Form"), change: tfUser("f@example.com", "Form"),
		read:    object{"username": "terra", "email": "t@example.com", "realname": "Terra Form", "sysadmin_flag": false},
		changed: object{"username": "terra", "email": "f@example.com", "realname": "Form", "sysadmin_flag": false},
	}
	terra := c.live(user, true)
	for _, path := range []string{"/sysadmin", "/password"} { // the whole body, whatever changes
		c.do("PUT", terra+path, user.body, 200)
	}
	group := planned{
		kind: "harbor_group", create: "/usergroups", body: object{"group_name": "builders", "group_type": 2},
		read: object{"group_name": "builders", "group_type": 2},
	}
	builders := c.live(group, true)
	for _, r := range []planned{
		{
			kind: "harbor_project_member_user", create: infra + "/members", body: tfMember(2, "terra", ""), change: tfMember(4, "terra", ""),
			read:    object{"role_id": 2, "entity_name": "terra", "project_id": number},
			changed: object{"role_id": 4},
		},
		{
			kind: "harbor_project_member_group", create: infra + "/members", body: tfMember(3, "", "builders"), change: tfMember(1, "", "builders"),
			read:    object{"role_id": 3, "entity_name": "builders", "project_id": number},
			changed: object{"role_id": 1},
		},
		{
			kind: "harbor_robot_account", create: "/robots", body: tfRobot("push", nil), change: tfRobot("read", object{"name": "robot$infra+ci", "disable": true, "duration": 30}),
			read: object{
				"name": "robot$infra+ci", "level": "project", "description": "builds", "duration": -1, "disable": false,
				"permissions": []object{{"kind": "project", "namespace": "infra", "access": []object{
					{"action": "pull", "resource": "repository", "effect": "allow"}, {"action": "push", "resource": "repository", "effect": "allow"},
				}}},
			},
			changed: object{"disable": true, "duration": 30, "permissions.0.access": []object{
				{"action": "pull", "resource": "repository", "effect": "allow"}, {"action": "read", "resource": "repository", "effect": "allow"},
			}},
		},
		{
			kind: "harbor_retention_policy", create: "/retentions", body: tfKeeps("", number, tfRule("nDaysSinceLastPull", 7), tfRule("latestPushedK", 5)),
			change: tfKeeps("x", number, tfRule("latestPulledN", 3)), remove: tfKeeps("x", number),
			read: object{
				"scope.ref": number, "trigger.settings.cron": "0 0 0 * * *", "rules.0.template": "nDaysSinceLastPull", "rules.0.params.nDaysSinceLastPull": 7,
				"rules.1.params.latestPushedK": 5, "rules.0.tag_selectors.0.extras": `{"untagged":true}`, "rules.0.tag_selectors.0.pattern": "v*",
				"rules.0.scope_selectors.repository.0.decoration": "repoMatches",
			},
			changed: object{"rules.0.template": "latestPulledN", "rules.1": nil},
		},
		{
			kind: "harbor_immutable_tag_rule", create: infra + "/immutabletagrules", body: tfImmutable(0, "dev-*"), change: tfImmutable(7, "test-*"),
			list:    infra + "/immutabletagrules",
			read:    object{"disabled": false, "tag_selectors.0.pattern": "dev-*", "tag_selectors.0.decoration": "excludes", "scope_selectors.repository.0.pattern": "**"},
			changed: object{"tag_selectors.0.pattern": "test-*"},
		},
		{
			kind: "harbor_project_webhook", create: infra + "/webhook/policies", body: tfHook("PUSH_ARTIFACT", "PULL_ARTIFACT"), change: tfHook("DELETE_ARTIFACT"),
			read: object{
				"name": "ci", "description": "", "enabled": true, "targets.0.type": "http", "targets.0.address": "https://hooks.example.com",
				"targets.0.skip_cert_verify": true, "targets.0.payload_format": "Default", "event_types": []string{"PUSH_ARTIFACT", "PULL_ARTIFACT"},
			},
			changed: object{"event_types": []string{"DELETE_ARTIFACT"}},
		},
		{
			kind: "harbor_label", create: "/labels", body: tfLabel("looked at"), change: tfLabel("looked at twice"),
			read:    object{"name": "accepted", "description": "looked at", "color": "#FFFFFF", "scope": "g"},
			changed: object{"description": "looked at twice"},
		},
	} {
		c.live(r, false)
	}
	c.replicas()
	c.destroy(group, builders)
	c.destroy(user, terra)
	c.destroy(project, infra)
}

func (c harborClient) replicas() {
	registry := planned{
		kind: "harbor_registry", create: "/registries", body: tfRegistry("https://far.example.com"), change: tfRegistry("https://near.example.com"),
		read:    object{"name": "far", "url": "https://far.example.com", "credential.access_key": "me", "insecure": false, "type": "harbor"},
		changed: object{"url": "https://near.example.com"},
	}
	far := c.live(registry, true)
	var number int
	if _, err := fmt.Sscanf(far, "/registries/%d", &number); err != nil {
		c.t.Fatalf("the registry is at %s", far)
	}
	mirrored := func(speed string) object {
		body := tfProject("mirrored", object{"proxy_speed_kb": speed})
		body["registry_id"] = number
		return body
	}
	c.live(planned{
		kind: "harbor_project", create: "/projects", body: mirrored("-1"), change: mirrored("1024"),
		read:    object{"name": "mirrored", "registry_id": number, "metadata.proxy_speed_kb": "-1", "metadata.public": "false"},
		changed: object{"metadata.proxy_speed_kb": "1024"},
	}, false)
	c.do("POST", "/projects", mirrored("-1"), 201)
	c.do("POST", "/projects", mirrored("-1"), 409)
	other := mirrored("-1")
	other["registry_id"] = number + 1
	c.do("PUT", "/projects/mirrored", other, 501)
	c.ask("GET", "/api/v1/proxies", nil, 200).has(`"user":"me"`, "far.example.com")
	c.do("DELETE", "/projects/mirrored", json.RawMessage("null"), 200)
	c.live(planned{
		kind: "harbor_replication", create: "/replication/policies", body: tfCopies(number, true), change: tfCopies(number, false),
		read: object{
			"name": "copies", "enabled": true, "dest_registry.id": number, "dest_namespace": "mirror", "dest_namespace_replace_count": -1,
			"trigger.type": "scheduled", "trigger.trigger_settings.cron": "0 0 0 * * *", "override": true,
			"copy_by_chunk": false, "single_active_replication": false,
		},
		changed: object{"enabled": false},
	}, false)
	c.destroy(registry, far)
}
