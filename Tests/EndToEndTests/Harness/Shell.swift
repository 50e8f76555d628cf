import Foundation
import Glibc

/// What a program printed and how it ended.
struct Output: CustomStringConvertible {
    var status: Int32
    var out: String
    var error: String
    var description: String { "exit \(status)\nstdout:\n\(out)\nstderr:\n\(error)" }
    var lines: [String] { out.split(separator: "\n").map(String.init) }
}

struct ShellError: Error, CustomStringConvertible {
    var description: String
}

/// A running program whose output goes to files, so that nothing blocks on a full pipe.
final class Program: Sendable {
    // Only configured before `run()` and signalled by pid afterwards.
    nonisolated(unsafe) private let process: Process
    let outPath: String
    let errorPath: String
    private let ended: AsyncStream<Int32>

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var output: String { (try? String(contentsOfFile: outPath, encoding: .utf8)) ?? "" }
    var errorOutput: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

    init(_ arguments: [String], environment: [String: String] = [:], directory: String, input: Pipe? = nil) throws {
        let name = "\(directory)/\(UUID().uuidString.prefix(8))"
        (outPath, errorPath) = (name + ".out", name + ".err")
        for path in [outPath, errorPath] { FileManager.default.createFile(atPath: path, contents: nil) }
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input ?? FileHandle.nullDevice
        let files = [outPath, errorPath].map { FileHandle(forWritingAtPath: $0) }
        (process.standardOutput, process.standardError) = (files[0], files[1])
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        ended = stream
        process.terminationHandler = { ended in
            continuation.yield(ended.terminationReason == .exit ? ended.terminationStatus : 128 + ended.terminationStatus)
            continuation.finish()
        }
        try process.run()
        // Process keeps them open for good. With some 1,300 open files its next run() copies a directory entry from
        // beyond the end of a buffer (swift-corelibs-foundation, findMaximumOpenFromProcSelfFD) and crashes now and then.
        for file in files { try file?.close() }
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for the end; kills and throws after `timeout` seconds.
    func wait(timeout: Double) async throws -> Output {
        let watchdog = Task { [self] in
            try await Task.sleep(for: .seconds(timeout))
            signal(SIGKILL)
        }
        defer { watchdog.cancel() }
        for await status in ended {
            return Output(status: status, out: output, error: errorOutput)
        }
        throw ShellError(description: "waited twice for one program")
    }
}

/// Runs `check` until it returns a value; the limit is for what never happens, not a measure.
func eventually<T>(_ what: String, within seconds: Double = 60, every interval: Double = 0.1, _ check: () async throws -> T?) async throws -> T {
    let deadline = Date().addingTimeInterval(seconds)
    var last = ""
    while Date() < deadline {
        do {
            if let value = try await check() { return value }
        } catch { last = " (last: \(error))" }
        try await Task.sleep(for: .seconds(interval))
    }
    throw ShellError(description: "gave up after \(seconds) s waiting until \(what)\(last)")
}
