<?php
// Validates the requests in the given files, then one with a wrong token and one that is not JSON.
// Usage: php validate.php BASE_URL TOKEN FILE...

[, $base, $token] = $argv;
$files = array_slice($argv, 3);

function validate(string $base, string $token, string $body): string
{
    $request = curl_init("$base/v1/hood/integrations/validate");
    curl_setopt_array($request, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => ["Authorization: Bearer $token", "Content-Type: application/json"],
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $answer = json_decode(curl_exec($request), true);
    $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
    if ($status === 200) {
        return "200 " . count($answer) . " numbers";
    }
    if ($status === 204) {
        return "204";
    }
    $error = $answer["errors"][0];
    return implode(" ", array_filter([$status, $error["code"], $error["pointer"] ?? null]));
}

$integrations = array_map(fn ($file) => json_decode(file_get_contents($file), true), $files);
foreach ($integrations as $integration) {
    echo validate($base, $token, json_encode($integration)), "\n";
}

$wrong = $integrations[0];
$wrong["settings"]["auth_token"] = "wrong";
echo validate($base, $token, json_encode($wrong)), "\n";
echo validate($base, $token, '{"name": "Example", "provider_id": "1000",}'), "\n";
