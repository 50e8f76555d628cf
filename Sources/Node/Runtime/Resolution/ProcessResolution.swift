/// The words, environment and directory of a container's process. Pure: the rules of Kubernetes' `command` and `args`
/// (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container) over an image's defaults.
enum ProcessResolution {
    /// `PATH` for an image that does not set one; the value every runtime uses.
    static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// `command` replaces the entrypoint and with it the image's cmd; `args` replaces the cmd alone. Empty counts as absent.
    /// `$(VAR)` is left alone: the kubelet has expanded it, and what is left is meant literally.
    static func arguments(_ configuration: ContainerConfiguration, image: ImageDefaults) throws(RuntimeError) -> [String] {
        let command = configuration.command ?? []
        let given = configuration.arguments ?? []
        var words: [String]
        if command.isEmpty {
            words = image.entrypoint + (given.isEmpty ? image.command : given)
        } else {
            words = command + given
        }
        guard let program = words.first else {
            throw RuntimeError(.createFailed, "no command specified: the container \"\(configuration.name)\" sets no command and its image has neither entrypoint nor cmd")
        }
        guard !program.isEmpty else {
            throw RuntimeError(.createFailed, "the first word of the command of container \"\(configuration.name)\" is empty: expected a program")
        }
        for (index, word) in words.enumerated() where word.utf8.contains(0) {
            throw RuntimeError(.invalidConfiguration, "word \(index) of the command of container \"\(configuration.name)\" contains a NUL byte")
        }
        return words
    }

    /// The image's environment, then the container's; the later of two entries of one name wins and keeps the first one's place.
    /// `HOME` is added at the end only where nobody set it, as in runc.
    static func environment(_ configuration: ContainerConfiguration, image: ImageDefaults, hostname: String, home: String) throws(RuntimeError) -> [String] {
        var result = OrderedEnvironment()
        result.set("PATH", defaultPath)
        if !hostname.isEmpty { result.set("HOSTNAME", hostname) }
        if configuration.tty { result.set("TERM", "xterm") }
        for entry in image.environment {
            // An entry without `=` is a broken image; runc hands it through as a variable without a value.
            guard let separator = entry.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                result.set(entry, "")
                continue
            }
            result.set(String(entry[..<separator]), String(entry[entry.index(after: separator)...]))
        }
        for variable in configuration.environment {
            guard !variable.name.isEmpty, !variable.name.utf8.contains(UInt8(ascii: "=")), !variable.name.utf8.contains(0) else {
                throw RuntimeError(.invalidConfiguration, "environment variable name \"\(variable.name)\" of container \"\(configuration.name)\" is not usable: expected a name without \"=\" and NUL")
            }
            guard !variable.value.utf8.contains(0) else {
                throw RuntimeError(.invalidConfiguration, "environment variable \(variable.name) of container \"\(configuration.name)\" contains a NUL byte")
            }
            result.set(variable.name, variable.value)
        }
        if !home.isEmpty, result["HOME"] == nil { result.set("HOME", home) }
        return result.entries
    }

    /// The working directory: the container's, else the image's, else `/`. Always absolute.
    static func workingDirectory(_ configuration: ContainerConfiguration, image: ImageDefaults) -> String {
        let directory = configuration.workingDirectory.isEmpty ? image.workingDirectory : configuration.workingDirectory
        guard !directory.isEmpty else { return "/" }
        return directory.utf8.first == UInt8(ascii: "/") ? directory : "/" + directory
    }
}

/// An environment that remembers its order.
private struct OrderedEnvironment {
    private var names: [String] = []
    private var values: [String: String] = [:]

    subscript(name: String) -> String? { values[name] }

    mutating func set(_ name: String, _ value: String) {
        if values.updateValue(value, forKey: name) == nil { names.append(name) }
    }

    var entries: [String] { names.map { "\($0)=\(values[$0] ?? "")" } }
}
