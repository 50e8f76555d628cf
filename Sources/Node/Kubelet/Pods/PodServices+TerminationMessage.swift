internal import BlockingCalls
internal import Logging
internal import Runtime

extension PodServices {
    /// How much of a termination message is kept, as Kubernetes has it.
    private static var messageLimit: Int { 4096 }
    private static var logFallbackLines: Int { 80 }
    private static var logFallbackLimit: Int { 2048 }

    /// Where a container instance's termination message file is on the host.
    func terminationMessagePath(_ uid: String, container: String, attempt: UInt32) -> String {
        "\(store.directory(uid))/containers/\(container)/termination-\(attempt)"
    }

    /// What the container left as its last words, or nil.
    func terminationMessage(_ manifest: PodManifest, container: String, attempt: UInt32, exit: ContainerExit) async -> String? {
        let path = terminationMessagePath(manifest.uid, container: container, attempt: attempt)
        let fallsBack = manifest.fallsBackToLogs.contains(container) && exit.code != 0
        let log = "\(store.logDirectory(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid))/\(container)/\(attempt).log"
        // A message that cannot be read is no message.
        return try? await BlockingThreads.kubelet.run {
            if HostFiles.exists(path) {
                let text = String(decoding: try HostFiles.read(path, limit: Self.messageLimit), as: UTF8.self)
                if !text.isEmpty { return text }
            }
            guard fallsBack, HostFiles.exists(log) else { return nil }
            return try lastWords(log)
        }
    }

    private func lastWords(_ log: String) throws -> String? {
        let paths = LogFiles.paths(of: log)
        let position = try LogTail.position(ofLast: Self.logFallbackLines, in: paths)
        var output: [UInt8] = []
        for (index, path) in paths.enumerated().dropFirst(position.file) where HostFiles.exists(path) {
            let file = try OpenLogFile(path)
            if index == position.file { file.seek(to: position.offset) }
            var formatter = LogFormatter(LogOptions())
            while try file.readLines(budget: 1 << 20, { formatter.append($0, to: &output); return true }) {}
        }
        return output.isEmpty ? nil : String(decoding: output.suffix(Self.logFallbackLimit), as: UTF8.self)
    }
}
