package cli

import "testing"

// TestContainers: a container that never runs is made, listed, changed, copied from and to, made an image of, and removed.
func TestContainers(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.image()
	m.story([]step{
		{"ps", 0, "CONTAINER ID   IMAGE     COMMAND   CREATED STATUS    PORTS     NAMES\n"},
		{"ps -a", 0, "CONTAINER ID   IMAGE     COMMAND   CREATED STATUS    PORTS     NAMES\n"},
		{"create --name web -v data:/data -v /srv:/www:ro -l team=x -m 64m --cpus 0.5 -e B=2 --env-file $W/env --network none --restart on-failure:3 -w /five app", 0, "LONG-ID\n"},
		{"create --name web app", 1, "cove: runner: the name \"web\" is in use by container SHORT-ID----; remove or rename that one to reuse it\n"},
		{"create --name job --cidfile $W/cid --network none app echo hello", 0, "LONG-ID\n"},
		{"create --cidfile $W/cid app", 1, "cove: --cidfile $W/cid: the file exists; another container may still use it\n"},
		{"ps -a", 0, "" +
			"CONTAINER ID   IMAGE     COMMAND         CREATED STATUS    PORTS     NAMES\n" +
			"SHORT-ID----   app       \"echo hello\"    AGO Created             job\n" +
			"SHORT-ID----   app       \"serve -p 80\"   AGO Created             web\n"},
		{"ps -aq", 0, "" +
			"SHORT-ID----\n" +
			"SHORT-ID----\n"},
		{`ps -a --format '{{.Names}} {{.Status}} {{.Ports}} {{.Mounts}} {{.LocalVolumes}} {{.Label "team"}}' -f name=web`, 0, "web Created  data,/srv 1 x\n"},
		{`ps -a --format 'table {{.Names}}\t{{.Label "com.example.team"}}\t{{.Size}}'`, 0, "" +
			"NAMES     TEAM      SIZE\n" +
			"job                 0B (virtual 5B)\n" +
			"web                 0B (virtual 5B)\n"},
		{"ps -a -f status=exited -q", 0, ""},
		{"ps -n 1 -q", 0, "SHORT-ID----\n"},
		{"ps -l -q", 0, "SHORT-ID----\n"},
		{"ps -a --no-trunc --format '{{.Command}}' -f name=job", 0, "\"echo hello\"\n"},
		{"ps -a -s -f name=web", 0, "" +
			"CONTAINER ID   IMAGE     COMMAND         CREATED STATUS    PORTS     NAMES     SIZE\n" +
			"SHORT-ID----   app       \"serve -p 80\"   AGO Created             web       0B (virtual 5B)\n"},
		{"ps -a -f label=team=x --format '{{.Names}}'", 0, "web\n"},
		{"ps -a -f volume=data --format '{{.Names}}'", 0, "web\n"},
		{"inspect web -f '{{.Config.Env}} {{.Config.Cmd}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}} {{.State.Status}} {{.HostConfig.Binds}}'", 0, "[PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin A=c X=1 B=2] [serve -p 80] 67108864 500000000 on-failure:3 created [data:/data /srv:/www:ro]\n"},
		{"inspect -s web -f '{{.SizeRw}} {{.SizeRootFs}}'", 0, "0 5\n"},
		{"container inspect -s web -f '{{.SizeRw}}'", 0, "0\n"},
		{"rename web shop", 0, ""},
		{"rename shop shop", 1, "cove: Renaming a container with the same name as its current name: shop\n"},
		{"stop shop", 0, "shop\n"},
		{"logs shop", 0, ""},
		{"port shop", 0, ""},
		{"diff shop", 0, ""},
		{"cp shop:/five $W/back", 0, "Successfully copied 2.05kB to $W/back\n"},
		{"cp $W/back shop:/new", 0, "Successfully copied 2.05kB to shop:/new\n"},
		{"cp $W/nothing shop:/x", 1, "cove: no such file or directory: $W/nothing\n"},
		{"cp shop:/nothing $W/x", 1, "cove: no such file or directory: /nothing\n"},
		{"diff shop", 0, "A /new\n"},
		{`commit -m made -c 'CMD ["x"]' shop made:v1`, 0, "sha256:ID\n"},
		{"commit -c 'RUN x' shop", 1, "cove: only instructions that change the config are possible here: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR\n"},
		{"history made:v1", 0, "" +
			"IMAGE          CREATED CREATED BY    SIZE      COMMENT\n" +
			"SHORT-ID----   AGO serve -p 80   5B        made\n" +
			"<missing>      AGO 5B        \n"},
		{"images", 0, "" +
			"REPOSITORY   TAG       IMAGE ID       CREATED SIZE\n" +
			"made         v1        SHORT-ID----   AGO 10B\n" +
			"app          latest    SHORT-ID----   AGO 5B\n"},
		{"export -o $W/out.tar shop", 0, ""},
		{"update --memory 128m shop", 0, "shop\n"},
		{"inspect shop -f '{{.HostConfig.Memory}}'", 0, "134217728\n"},
		{"system df", 0, "" +
			"TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n" +
			"Images          2         1         10B       5B (50%)\n" +
			"Containers      2         0         5B        5B (100%)\n" +
			"Local Volumes   1         1         0B        0B\n" +
			"Build Cache     0         0         0B        0B\n"},
		{"rmi app", 1, "cove: conflict: unable to remove repository reference \"app\" (must force) - container SHORT-ID---- (shop) is using its referenced image SHORT-ID----; --force does it all the same\n"},
		{"rm shop nothing", 1, "" +
			"shop\n" +
			"cove: No such container: nothing\n"},
		{"rm -f nothing", 0, "cove: No such container: nothing\n"},
		{"container prune", 0, "" +
			"Deleted Containers:\n" +
			"LONG-ID\n" +
			"\n" +
			"Total reclaimed space: 0B\n"},
		{"ps -a", 0, "CONTAINER ID   IMAGE     COMMAND   CREATED STATUS    PORTS     NAMES\n"},
		{"volume ls -q", 0, "data\n"},
	})
}

// TestContainersRefused: what the commands about containers refuse, with what they say.
func TestContainersRefused(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.image()
	m.do("create --name web app")
	m.story([]step{
		{"create", 1, "cove: \"cove create\" requires at least 1 argument (cove create [flags] IMAGE [COMMAND] [ARG...]). See 'cove create --help'\n"},
		{"create --name -x app", 1, "cove: invalid container name \"-x\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, 2 to 128 of them\n"},
		{"create -m 1 app", 1, "cove: Minimum memory limit allowed is 6MB\n"},
		{"create --restart sometimes app", 1, "cove: invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'\n"},
		{"create --pull never nothing", 1, "cove: No such image: nothing\n"},
		{"create --pull maybe app", 1, "cove: --pull maybe: want always, missing or never\n"},
		{"create --rm --restart always app", 1, "cove: conflicting options: a restart policy and removal at the end cannot both be set\n"},
		{"create --network nothing app", 1, "cove: network nothing not found\n"},
		{"create -p 80:80:80:80 app", 1, "cove: port 80:80:80:80: \"80:80\" is not an IP address; want [[IP:]HOSTPORT:]PORT[/PROTOCOL]\n"},
		{"create --network none -p 80:80 app", 1, "cove: publishing ports means nothing with network none: ports are those of a bridge\n"},
		{"create -v data:relative app", 1, "cove: volume data:relative: invalid mount path: \"relative\": mount path must be absolute\n"},
		{"create --user nobody-here app", 1, "cove: unable to find user nobody-here: no matching entries in passwd file of the image\n"},
		{"ps -a -f status=odd", 1, "cove: invalid filter 'status=odd': there are created, restarting, running, paused, exited, removing, dead\n"},
		{"ps -a -f colour=red", 1, "cove: invalid filter 'colour': there are ancestor, before, exited, expose, health, id, is-task, label, name, network, publish, since, status, volume\n"},
		{"ps x", 1, "cove: \"cove ps\" accepts no arguments (cove ps [flags]). See 'cove ps --help'\n"},
		{"start nothing", 1, "cove: No such container: nothing\n"},
		{"start", 1, "cove: \"cove start\" requires at least 1 argument (cove start [flags] CONTAINER [CONTAINER...]). See 'cove start --help'\n"},
		{"stop nothing", 1, "cove: No such container: nothing\n"},
		{"stop -t x web", 125, "cove: invalid argument \"x\" for \"-t, --timeout\" flag: strconv.ParseInt: parsing \"x\": invalid syntax. See 'cove stop --help'\n"},
		{"kill web", 1, "cove: container web is not running\n"},
		{"kill -s NOPE web", 1, "cove: invalid signal: NOPE; give a name as TERM or a number from 1 to 64\n"},
		{"pause web", 1, "cove: container web is not running\n"},
		{"unpause web", 1, "cove: container web is not paused\n"},
		{"restart nothing", 1, "cove: No such container: nothing\n"},
		{"exec web ls", 1, "cove: container web is not running\n"},
		{"exec nothing ls", 1, "cove: No such container: nothing\n"},
		{"exec web", 1, "cove: \"cove exec\" requires at least 2 arguments (cove exec [flags] CONTAINER COMMAND [ARG...]). See 'cove exec --help'\n"},
		{"attach web", 1, "cove: cannot attach to a stopped container, start it first: web is not running\n"},
		{"attach nothing", 1, "cove: No such container: nothing\n"},
		{"logs -n x web", 1, "cove: --tail x: want a number of lines or all\n"},
		{"logs --since yesterday web", 1, "cove: --since yesterday: want a duration (10m), a time (2006-01-02T15:04:05Z) or seconds since 1970\n"},
		{"logs nothing", 1, "cove: No such container: nothing\n"},
		{"top web", 1, "cove: container web is not running\n"},
		{"top nothing", 1, "cove: No such container: nothing\n"},
		{"port web 99", 1, "cove: container web: port 99 is not published\n"},
		{"wait nothing", 1, "cove: No such container: nothing\n"},
		{"stats --no-stream nothing", 1, "cove: No such container: nothing\n"},
		{"diff nothing", 1, "cove: No such container: nothing\n"},
		{"cp a b", 1, "cove: must specify at least one container source: neither a nor b is CONTAINER:PATH\n"},
		{"cp web:/a web:/b", 1, "cove: copying between containers is not supported: copy to - and from it, through a pipe\n"},
		{"cp web:/a", 1, "cove: \"cove cp\" requires exactly 2 arguments (cove cp [flags] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH). See 'cove cp --help'\n"},
		{"commit nothing", 1, "cove: No such container: nothing\n"},
		{"export -o $W/no/x nothing", 1, "cove: invalid output path: directory \"$W/no\" does not exist\n"},
		{"export nothing", 1, "cove: No such container: nothing\n"},
		{"update -m 1g nothing", 1, "cove: No such container: nothing\n"},
		{"update nothing", 1, "cove: you must provide one or more flags when using this command: what is to change\n"},
		{"container inspect nothing", 1, "" +
			"[]\n" +
			"cove: No such container: nothing\n"},
		{"rename nothing x", 1, "cove: No such container: nothing\n"},
		{"rm", 1, "cove: \"cove rm\" requires at least 1 argument (cove rm [flags] CONTAINER [CONTAINER...]). See 'cove rm --help'\n"},
		{"container nonsense", 1, "cove: unknown command \"nonsense\". See 'cove container --help'\n"},
	})
}
