package apparmor

// text is the default profile: everything that capabilities, filters and namespaces allow, but for
// mounts, the kernel's own settings in /proc and /sys, and processes of other profiles.
// It names no file of the host and includes none, so that it loads wherever the parser is.
const text = `
profile ` + Default + ` flags=(attach_disconnected,mediate_deleted) {
  network,
  capability,
  file,
  umount,

  # Who runs containers signals them, under another runtime's profile, too.
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send,receive) peer=` + Default + `,
  ptrace (trace,read,tracedby,readby) peer=` + Default + `,

  deny mount,

  # Of /proc processes are written to, and of its settings those of shared memory, which are the
  # container's own.
  deny /proc/* w,
  deny /proc/[^1-9st]*/** w,
  deny /proc/s[^ey]*/** w,
  deny /proc/t[^h]*/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/[^s]** w,
  deny /proc/sys/kernel/s[^h]** w,
  deny /proc/sys/kernel/sh[^m]** w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,

  # Of /sys nothing is written to but control groups.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`
