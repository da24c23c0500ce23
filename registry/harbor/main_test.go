package harbor_test

import (
	"os"
	"testing"

	"cove/registry/harbor"
	"cove/registry/harbor/edge"
	"cove/registry/web/webtest"
)

// TestMain holds every path of the façade that changes something to its line of the audit
// log.
func TestMain(m *testing.M) {
	var routes []string
	for _, r := range harbor.New(edge.Config{}).Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	os.Exit(webtest.Main(m, routes, lines))
}

// lines are the actions that each writes; "-" says why one writes none.
var lines = map[string]string{
	"PUT /api/v2.0/projects/{project}/repositories/{repository}":                                         "repository.describe",
	"DELETE /api/v2.0/projects/{project}/repositories/{repository}":                                      "manifest.delete",
	"POST /api/v2.0/projects/{project}/repositories/{repository}/artifacts":                              "manifest.push",
	"DELETE /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}":                "manifest.delete",
	"POST /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}/labels":           "artifact.label",
	"DELETE /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}/labels/{label}": "artifact.unlabel",
	"POST /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}/scan":             "scan.request",
	"POST /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}/tags":             "tag.set",
	"DELETE /api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}/tags/{tag}":     "tag.delete",
	"POST /api/v2.0/projects/{project}/immutabletagrules":                                                "immutable.add",
	"PUT /api/v2.0/projects/{project}/immutabletagrules/{rule}":                                          "immutable.set",
	"DELETE /api/v2.0/projects/{project}/immutabletagrules/{rule}":                                       "immutable.remove",
	"POST /api/v2.0/projects":                                       "project.create quota.set scan.settings",
	"PUT /api/v2.0/projects/{project}":                              "project.public quota.set scan.allow scan.disallow scan.settings signing.release signing.require",
	"DELETE /api/v2.0/projects/{project}":                           "project.remove",
	"PUT /api/v2.0/projects/{project}/metadatas/{meta}":             "project.public scan.settings",
	"POST /api/v2.0/users":                                          "user.add user.describe",
	"PUT /api/v2.0/users/{user}":                                    "user.describe",
	"DELETE /api/v2.0/users/{user}":                                 "user.remove",
	"PUT /api/v2.0/users/{user}/sysadmin":                           "user.change",
	"PUT /api/v2.0/users/{user}/password":                           "user.password",
	"POST /api/v2.0/usergroups":                                     "group.add",
	"PUT /api/v2.0/usergroups/{group}":                              "- a group keeps its name: nothing of it can be changed",
	"DELETE /api/v2.0/usergroups/{group}":                           "group.remove",
	"POST /api/v2.0/projects/{project}/members":                     "member.set",
	"PUT /api/v2.0/projects/{project}/members/{member}":             "member.set",
	"DELETE /api/v2.0/projects/{project}/members/{member}":          "member.set",
	"POST /api/v2.0/robots":                                         "robot.create",
	"PUT /api/v2.0/robots/{robot}":                                  "robot.change",
	"PATCH /api/v2.0/robots/{robot}":                                "robot.rotate",
	"DELETE /api/v2.0/robots/{robot}":                               "robot.remove",
	"PUT /api/v2.0/quotas/{quota}":                                  "quota.set",
	"POST /api/v2.0/projects/{project}/webhook/policies":            "webhook.create",
	"PUT /api/v2.0/projects/{project}/webhook/policies/{hook}":      "webhook.change",
	"DELETE /api/v2.0/projects/{project}/webhook/policies/{hook}":   "webhook.remove",
	"POST /api/v2.0/labels":                                         "label.create",
	"PUT /api/v2.0/labels/{label}":                                  "label.change",
	"DELETE /api/v2.0/labels/{label}":                               "label.remove",
	"POST /api/v2.0/retentions":                                     "retention.set",
	"PUT /api/v2.0/retentions/{retention}":                          "retention.set",
	"DELETE /api/v2.0/retentions/{retention}":                       "retention.set",
	"POST /api/v2.0/retentions/{retention}/executions":              "retention.run",
	"PATCH /api/v2.0/retentions/{retention}/executions/{execution}": "job.stop",
	"POST /api/v2.0/registries":                                     "endpoint.create",
	"POST /api/v2.0/registries/ping":                                "- it asks somebody else, and changes nothing",
	"PUT /api/v2.0/registries/{registry}":                           "endpoint.set",
	"DELETE /api/v2.0/registries/{registry}":                        "endpoint.remove",
	"POST /api/v2.0/replication/policies":                           "replication.set",
	"PUT /api/v2.0/replication/policies/{policy}":                   "replication.set",
	"DELETE /api/v2.0/replication/policies/{policy}":                "replication.remove",
	"POST /api/v2.0/replication/executions":                         "replication.run",
	"PUT /api/v2.0/replication/executions/{execution}":              "job.stop",
}
