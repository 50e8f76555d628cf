/// What an image's configuration says about the process, as far as the runtime uses it (image-spec, `config`).
struct ImageDefaults: Sendable, Hashable {
    var entrypoint: [String] = []
    var command: [String] = []
    /// `NAME=value`, in the image's order.
    var environment: [String] = []
    var workingDirectory = ""
    /// `user`, `uid`, `user:group`, `uid:gid`, … or empty.
    var user = ""
    /// `SIGTERM`, `TERM`, `15` or empty.
    var stopSignal = ""
}
