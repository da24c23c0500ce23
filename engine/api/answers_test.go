package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// answer is a request, its status, and a pattern that its answer has. $ID is the
// container that runs, $BOX the id of the image.
type answer struct {
	method, path string
	body         string
	status       int
	has          string
}

// answers are what suites of other engines ask of docker's API, and bugs that people
// found in engines that answer it.
var answers = []answer{
	// Lists and their filters.
	{"GET", "/containers/json?limit=1&all=1", "", 200, `^\[\{[^\[]*"Names":\["/made"\]`},
	{"GET", "/containers/json?limit=0", "", 200, `"/runs"`},
	{"GET", "/containers/json?limit=-1&all=true", "", 200, `"/runs"`},
	{"GET", "/containers/json?limit=x", "", 400, `limit`},
	{"GET", "/containers/json?all=1&filters={%22status%22:[%22created%22]}", "", 200, `^\[\{[^\[]*"Names":\["/made"\][^$]*\]\s$`},
	{"GET", "/containers/json?filters={%22status%22:[%22bogus%22]}", "", 400, `invalid filter 'status=bogus'|bogus`},
	{"GET", "/containers/json?filters=garb1age", "", 400, `invalid character 'g'`},
	{"GET", "/containers/json?filters={%22label%22:[%22testl", "", 400, `unexpected end of JSON`},
	{"GET", "/containers/json?all=1&filters={%22id%22:[%22$ID%22]}", "", 200, `"Id":"$ID"`},
	{"GET", "/containers/json?all=1&filters={%22name%22:[%22^/runs$%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22name%22:[%22uns%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22name%22:{%22runs%22:true}}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22name%22:{%22runs%22:false}}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22ancestor%22:[%22box%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22ancestor%22:[%22none%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22before%22:[%22made%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22since%22:[%22runs%22]}", "", 200, `"/made"`},
	{"GET", "/containers/json?all=1&filters={%22since%22:[%22none%22]}", "", 404, `none`},
	{"GET", "/containers/json?all=1&filters={%22exited%22:[%22x%22]}", "", 400, `exited|x`},
	{"GET", "/containers/json?all=1&filters={%22exited%22:[%220%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22health%22:[%22none%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22is-task%22:[%22false%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22is-task%22:[%22true%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22network%22:[%22none%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22volume%22:[%22/v%22]}", "", 200, `"/made"`},
	{"GET", "/containers/json?all=1&filters={%22expose%22:[%2280%22]}", "", 200, `"/made"`},
	{"GET", "/containers/json?all=1&filters={%22publish%22:[%2280/tcp%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&filters={%22label%22:[%22a=b%22]}", "", 200, `"/runs"`},
	{"GET", "/containers/json?all=1&filters={%22label%22:[%22a%22,%22c%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/containers/json?all=1&size=1", "", 200, `"SizeRootFs":[1-9]`},
	{"GET", "/v1.24/containers/json", "", 200, `"NetworkSettings":\{"Networks":\{"none"`},
	{"GET", "/containers/json", "", 200, `"ImageID":"sha256:[0-9a-f]{64}"`},
	{"GET", "/containers/json", "", 200, `"State":"running","Status":"Up [^"]+"`},

	// Inspect.
	{"GET", "/containers/runs/json", "", 200, `"Created":"20[0-9-]+T[0-9:.]+Z"`},
	{"GET", "/containers/runs/json", "", 200, `"FinishedAt":"0001-01-01T00:00:00Z"`},
	{"GET", "/containers/runs/json", "", 200, `"Path":"sh","Args":\["-c",`},
	{"GET", "/containers/runs/json", "", 200, `"PortBindings":\{\}`},
	{"GET", "/containers/runs/json", "", 200, `"Ports":\{\}`},
	{"GET", "/containers/runs/json", "", 200, `"ExecIDs":null`},
	{"GET", "/containers/made/json", "", 200, `"Type":"volume","Name":"[0-9a-f]{64}"`},
	{"GET", "/containers/made/json", "", 200, `"Status":"created"`},
	{"GET", "/containers/made/json", "", 200, `"Entrypoint":\["echo"\]`},
	{"GET", "/containers/made/json", "", 200, `"NanoCpus":500000000`},
	{"GET", "/containers/made/json?size=true", "", 200, `"SizeRw":\d+`},
	{"GET", "/containers/none/json", "", 404, `"message":"No such container: none"`},
	{"GET", "/v1.24/containers/none/json", "", 404, `"message":"No such container: none"`},

	// Creating.
	{"POST", "/containers/create", `{"Image":"none"}`, 404, `No such image: none`},
	{"POST", "/containers/create", `{"Image":"none:tag"}`, 404, `No such image: none:tag`},
	{"POST", "/containers/create", `{}`, 400, `config cannot be empty in order to create a container`},
	{"POST", "/containers/create", ``, 400, `.`},
	{"POST", "/containers/create", `{"Image":`, 400, `.`},
	{
		"POST", "/containers/create?name=runs", `{"Image":"box","Cmd":["true"]}`, 409,
		`Conflict. The container name \\"/runs\\" is already in use by container \\"$ID\\". You have to remove \(or rename\) that container to be able to reuse that name.`,
	},
	{"POST", "/containers/create?name=/runs", `{"Image":"box","Cmd":["true"]}`, 409, `Conflict. The container name \\"/runs\\"`},
	{"POST", "/containers/create?name=a%20b", `{"Image":"box","Cmd":["true"]}`, 400, `Invalid container name|name`},
	{"POST", "/containers/create", `{"Image":"box"}`, 400, `no command specified|No command specified`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"nothing"}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"container:nothing"}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"VolumesFrom":["nothing"]}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Links":["nothing:x"]}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Runtime":"nothing"}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PidMode":"container:nothing"}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}`, 400, `sometimes`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}}`, 400, `retry|retries`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}}}`, 400, `negative|retr`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}`, 400, `.`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Memory":1}}`, 400, `(?i)memory`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"ShmSize":-1}}`, 400, `(?i)shm`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"OomScoreAdj":1001}}`, 400, `(?i)oom`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"NanoCpus":1,"CpuPeriod":1000}}`, 400, `(?i)cpu`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"CpusetCpus":"x"}}`, 400, `(?i)cpu`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"IpcMode":"sometimes"}}`, 400, `(?i)ipc`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"UsernsMode":"sometimes"}}`, 400, `(?i)user`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"CapAdd":["NOTHING"]}}`, 400, `NOTHING`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"SecurityOpt":["nothing=x"]}}`, 501, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["relative"]}}`, 400, `relative`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["a/b:/c"]}}`, 400, `a/b`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["/tmp:/"]}}`, 400, `/`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["/tmp:/a","/tmp:/a"]}}`, 400, `(?i)duplicate mount point`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Mounts":[{"Type":"bind","Source":"/none/such","Target":"/a"}]}}`, 400, `does not exist|no such`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Mounts":[{"Type":"nothing","Target":"/a"}]}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Mounts":[{"Type":"volume","Source":"v"}]}}`, 400, `Target`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"x/tcp":[{"HostPort":"1"}]}}}`, 400, `x`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"99999"}]}}}`, 400, `99999`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"ExtraHosts":["nothing"]}}`, 400, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"LogConfig":{"Type":"nothing"}}}`, 501, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"nothing":"x"}}}}`, 501, `nothing`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Test":["CMD","x"],"Interval":5}}`, 400, `(?i)interval`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Test":["NOTHING"]}}`, 400, `NOTHING`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"StopSignal":"NOTHING"}`, 400, `NOTHING`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Env":["=x"]}`, 400, `(?i)env`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"WorkingDir":"relative"}`, 400, `relative`},
	{"POST", "/containers/create?platform=nothing", `{"Image":"box","Cmd":["true"]}`, 400, `nothing`},
	{"POST", "/containers/create?platform=linux/s390x", `{"Image":"box","Cmd":["true"]}`, 404, `s390x`},
	{
		"POST", "/containers/create?name=of-host", `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"1"}]}}}`, 201,
		`"Warnings":\["Published ports are discarded when using host network mode"\]`,
	},
	{"POST", "/containers/create?name=unconfined", `{"Image":"box","Cmd":["true"],"HostConfig":{"SecurityOpt":["label=disable","label:disable","apparmor=unconfined","apparmor:unconfined","seccomp:unconfined"]}}`, 201, `"Id"`},
	{"POST", "/containers/create?name=words", `{"Image":"box","Cmd":"true","Entrypoint":""}`, 201, `"Id":"[0-9a-f]{64}"`},
	{"POST", "/containers/create?name=nulls", `{"Image":"box","Cmd":["true"],"Entrypoint":null,"Env":null,"Labels":null,"Volumes":null,"ExposedPorts":null,"HostConfig":{"Binds":null,"PortBindings":null,"Ulimits":null,"Devices":null},"NetworkingConfig":null}`, 201, `"Id"`},
	{"POST", "/containers/create?name=no-health", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Test":["NONE"]}}`, 201, `"Id"`},
	{"GET", "/containers/no-health/json", "", 200, `"Healthcheck":\{"Test":\["NONE"\]\}`},

	// Life.
	{"POST", "/containers/none/start", "", 404, `No such container: none`},
	{"POST", "/containers/runs/start", "", 304, ``},
	{"POST", "/containers/made/stop", "", 304, ``},
	{"POST", "/containers/made/kill", "", 409, `is not running`},
	{"POST", "/containers/made/pause", "", 409, `not running`},
	{"POST", "/containers/runs/unpause", "", 409, `not paused`},
	{"POST", "/containers/runs/kill?signal=NOTHING", "", 400, `(?i)signal`},
	{"POST", "/containers/runs/stop?t=x", "", 400, `.`},
	{"POST", "/containers/runs/resize?h=x&w=1", "", 400, `.`},
	{"POST", "/containers/runs/rename", "", 400, `.`},
	{"POST", "/containers/made/rename?name=runs", "", 409, `Conflict. The container name \\"/runs\\" is already in use`},
	{"POST", "/containers/made/rename?name=made", "", 400, `Renaming a container with the same name as its current name`},
	{"POST", "/containers/made/rename?name=/renamed", "", 204, ``},
	{"POST", "/containers/renamed/rename?name=made", "", 204, ``},
	{"POST", "/containers/runs/wait?condition=sometimes", "", 400, `sometimes`},
	{"POST", "/containers/runs/update", `{"Memory":1}`, 400, `(?i)memory`},
	{"POST", "/containers/none/update", `{}`, 404, `No such container`},
	{"POST", "/containers/runs/update", `{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":4}}`, 200, `"Warnings":`},
	{"GET", "/containers/runs/json", "", 200, `"RestartPolicy":\{"Name":"on-failure","MaximumRetryCount":4\}`},
	{"DELETE", "/containers/runs", "", 409, `(?i)running`},
	{"DELETE", "/containers/none", "", 404, `No such container: none`},
	{"DELETE", "/containers/none?force=1", "", 404, `No such container: none`},
	{"DELETE", "/containers/runs/alias?link=1", "", 501, `not supported`},
	{"GET", "/containers/made/top", "", 409, `not running`},
	{"GET", "/containers/runs/top?ps_args=--invalid", "", 400, `unknown gnu long option`},
	{"GET", "/containers/runs/top", "", 200, `"Titles":\["UID","PID","PPID","C","STIME","TTY","TIME","CMD"\]`},
	{"GET", "/containers/none/top", "", 404, `No such container`},
	{"GET", "/containers/none/logs?stdout=1", "", 404, `No such container`},
	{"GET", "/containers/runs/logs", "", 400, `you must choose at least one stream`},
	{"GET", "/containers/runs/logs?stdout=1&since=x", "", 400, `.`},
	{"GET", "/containers/runs/logs?stdout=1&tail=all", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=1&tail=x", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=1&until=1", "", 200, `^$`},
	{"GET", "/containers/runs/logs?stdout=1&since=1.5", "", 200, `said`},
	{"POST", "/containers/runs/attach?logs=1&stdout=1&stream=0", "", 200, `said`},
	{"GET", "/containers/runs/stats?stream=0&one-shot=1", "", 200, `"id":"$ID"`},
	{"GET", "/containers/none/stats?stream=0", "", 404, `No such container`},
	{"GET", "/containers/made/stats?stream=0", "", 200, `"read":"0001-01-01T00:00:00Z"`},
	{"GET", "/containers/none/changes", "", 404, `No such container`},
	{"GET", "/containers/none/export", "", 404, `No such container`},
	{"HEAD", "/containers/runs/archive?path=/none", "", 404, ``},
	{"GET", "/containers/runs/archive", "", 400, `path`},
	{"GET", "/containers/runs/archive?path=/none", "", 404, `Could not find the file /none in container [0-9a-f]{64}`},
	{"PUT", "/containers/runs/archive?path=/none", "", 404, `.`},
	{"PUT", "/containers/runs/archive?path=/bin/busybox", "", 400, `not a directory`},

	// Exec.
	{"POST", "/containers/none/exec", `{"Cmd":["true"]}`, 404, `No such container`},
	{"POST", "/containers/made/exec", `{"Cmd":["true"]}`, 409, `is not running`},
	{"POST", "/containers/runs/exec", `{}`, 400, `No exec command specified`},
	{"POST", "/containers/runs/exec", `{"Cmd":["true"],"Env":["=x"]}`, 400, `(?i)env`},
	{"POST", "/exec/none/start", `{}`, 404, `No such exec instance: none`},
	{"GET", "/exec/none/json", "", 404, `No such exec instance: none`},
	{"POST", "/exec/none/resize?h=1&w=1", "", 404, `No such exec instance: none`},

	// Images.
	{"GET", "/images/json", "", 200, `"RepoDigests":\[`},
	{"GET", "/images/json", "", 200, `"Containers":-1`},
	{"GET", "/images/json", "", 200, `"SharedSize":-1`},
	{"GET", "/images/json?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"GET", "/images/json?filters={%22dangling%22:[%22x%22]}", "", 400, `dangling`},
	{"GET", "/images/json?filters={%22reference%22:[%22none%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/images/json?filters={%22dangling%22:[%22true%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/images/none/json", "", 404, `No such image: none:latest|No such image: none`},
	{"GET", "/images/box/json", "", 200, `"RepoTags":\["box:latest"\]`},
	{"GET", "/images/$BOX/json", "", 200, `"RepoTags":\["box:latest"\]`},
	{"GET", "/images/box/json", "", 200, `"Architecture":"\w+"`},
	{"GET", "/images/none/history", "", 404, `No such image`},
	{"GET", "/images/box/history", "", 200, `"Comment"`},
	{"POST", "/images/none/tag?repo=x", "", 404, `No such image`},
	{"POST", "/images/box/tag", "", 400, `.`},
	{"POST", "/images/box/tag?repo=UPPER", "", 400, `lower case`},
	{"POST", "/images/box/tag?repo=other&tag=-x", "", 400, `.`},
	{"POST", "/images/box/tag?repo=other&tag=1", "", 201, ``},
	{"POST", "/images/other:1/tag?repo=again", "", 201, ``},
	{"DELETE", "/images/again", "", 200, `^\[\{"Untagged":"again:latest"\}\]`},
	{"DELETE", "/images/other:1", "", 200, `"Untagged":"other:1"`},
	{"DELETE", "/images/none", "", 404, `No such image`},
	{"DELETE", "/images/$BOX", "", 409, `(?i)conflict`},
	{"POST", "/images/create", "", 400, `.`},
	{"POST", "/images/create?fromImage=UPPER", "", 400, `lower case`},
	{"POST", "/images/none/push", "", 404, `.`},
	{"GET", "/images/get", "", 400, `.`},
	{"GET", "/images/none/get", "", 404, `No such image|none`},
	{"POST", "/images/load", "not a tar", 400, `.`},
	{"POST", "/images/prune?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"POST", "/commit?container=none", "", 404, `No such container`},
	{"POST", "/commit", "", 404, `.`},

	// Networks and volumes.
	{"GET", "/networks", "", 200, `"Name":"bridge"`},
	{"GET", "/networks?filters={%22name%22:[%22none%22]}", "", 200, `"Name":"none"`},
	{"GET", "/networks?filters={%22type%22:[%22custom%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/networks?filters={%22type%22:[%22x%22]}", "", 400, `x`},
	{"GET", "/networks?filters={%22dangling%22:[%22true%22]}", "", 200, `^\[`},
	{"GET", "/networks?filters={%22driver%22:[%22null%22]}", "", 200, `"Name":"none"`},
	{"GET", "/networks?filters={%22scope%22:[%22local%22]}", "", 200, `"Name":"bridge"`},
	{"GET", "/networks?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"GET", "/networks/none-such", "", 404, `network none-such not found`},
	{"GET", "/networks/bridge", "", 200, `"Driver":"bridge"`},
	{"POST", "/networks/create", `{}`, 400, `.`},
	{"POST", "/networks/create", `{"Name":"bridge"}`, 403, `operation is not permitted on predefined bridge network`},
	{"POST", "/networks/create", `{"Name":"n"}`, 201, `"Id"`},
	{"DELETE", "/networks/n", "", 204, ``},
	{"POST", "/networks/create", `{"Name":"xx","Driver":"nothing"}`, 501, `nothing`},
	{"POST", "/networks/create", `{"Name":"x","IPAM":{"Config":[{"Subnet":"x"}]}}`, 400, `x`},
	{"POST", "/networks/create", `{"Name":"x","IPAM":{"Config":[{"Subnet":"10.64.0.0/24","Gateway":"10.65.0.1"}]}}`, 400, `10.65.0.1`},
	{"DELETE", "/networks/none-such", "", 404, `not found`},
	{"DELETE", "/networks/bridge", "", 403, `pre-defined|bridge`},
	{"POST", "/networks/none-such/connect", `{"Container":"runs"}`, 404, `not found`},
	{"POST", "/networks/bridge/connect", `{"Container":"none-such"}`, 404, `No such container`},
	{"POST", "/networks/none-such/disconnect", `{"Container":"runs"}`, 404, `not found`},
	{"GET", "/volumes", "", 200, `"Warnings":`},
	{"GET", "/volumes?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"GET", "/volumes?filters={%22dangling%22:[%22x%22]}", "", 400, `x`},
	{"GET", "/volumes/none-such", "", 404, `no such volume`},
	{"POST", "/volumes/create", `{"Name":"a/b"}`, 400, `a/b`},
	{"POST", "/volumes/create", `{"Name":"xx","Driver":"nothing"}`, 404, `nothing`},
	{"POST", "/volumes/create", `{"Name":"kept","Labels":{"a":"b"}}`, 201, `"Mountpoint":"/`},
	{"POST", "/volumes/create", `{"Name":"kept"}`, 201, `"a":"b"`},
	{"POST", "/volumes/create", ``, 201, `"com.docker.volume.anonymous":""`},
	{"GET", "/volumes/kept", "", 200, `"Scope":"local"`},
	{"DELETE", "/volumes/none-such", "", 404, `no such volume`},
	{"DELETE", "/volumes/none-such?force=1", "", 204, ``},
	{"DELETE", "/volumes/kept", "", 204, ``},
	{"POST", "/volumes/prune?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},

	// The rest.
	{"GET", "/events?since=1&until=2", "", 200, `^$`},
	{"GET", "/events?since=x", "", 400, `.`},
	{"GET", "/events?since=0&until=1&filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"GET", "/system/df?type=container", "", 200, `"Containers":\[`},
	{"GET", "/system/df?type=nothing", "", 400, `nothing`},
	{"GET", "/info", "", 200, `"ContainersRunning":1,`},
	{"POST", "/auth", `{"username":"x"`, 400, `.`},
	{"GET", "/distribution/none/json", "", 500, `.`},
	{"GET", "/nothing", "", 404, `page not found`},
	{"PUT", "/containers/json", "", 404, `page not found`},
	{"GET", "/v1.99/info", "", 400, `client version 1.99 is too new. Maximum supported API version is 1.51`},
	{"POST", "/containers/prune?filters={%22name%22:[%22x%22]}", "", 400, `name`},
	{"POST", "/build/prune?filters={%22label%22:[%22x%22]}", "", 200, `"CachesDeleted":\[\]`},
	{"POST", "/build/prune?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
}

// TestAnswers asks all that.
func TestAnswers(t *testing.T) {
	t.Parallel()
	eng := withBox(t)
	c := serve(t, eng)
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo said; exec sleep 1000"],"Labels":{"a":"b"},"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 204, "POST", "/containers/"+id+"/rename?name=runs", "")
	c.want(t, 204, "POST", "/containers/runs/start", "")
	made := c.create(t, `{"Image":"box","Entrypoint":["echo"],"Cmd":["x"],"Volumes":{"/v":{}},"ExposedPorts":{"80/tcp":{}},"HostConfig":{"NanoCpus":500000000}}`)
	c.want(t, 204, "POST", "/containers/"+made+"/rename?name=made", "")
	box := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(c.want(t, 200, "GET", "/images/box/json", ""))
	r := strings.NewReplacer("$ID", id, "$BOX", box)
	passed := 0
	for _, a := range answers {
		res, text := c.ask(t, a.method, r.Replace(a.path), a.body)
		if res.StatusCode != a.status || !regexp.MustCompile(r.Replace(a.has)).MatchString(text) {
			t.Errorf("%s %s %s is %d, want %d and %s\n\t%.600s", a.method, a.path, a.body, res.StatusCode, a.status, a.has, text)
			continue
		}
		if res.StatusCode >= 400 && a.method != http.MethodHead && !inShape(a.path, text) {
			t.Errorf("%s %s: the error is not in docker's shape: %s", a.method, a.path, text)
		}
		passed++
	}
	t.Logf("%d of %d answers", passed, len(answers))
}
