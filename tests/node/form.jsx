import Form from "@rjsf/core";
import { customizeValidator } from "@rjsf/validator-ajv8";
import Ajv2020 from "ajv/dist/2020.js";
import { createRoot } from "react-dom/client";

const provider = location.hash.slice(1);
const schema = await (await fetch(`/schemas/${provider}.schema.json`)).json();
const validator = customizeValidator({ AjvClass: Ajv2020 });
const save = ({ formData }) => fetch(`/integrations/${provider}`, { method: "POST", body: JSON.stringify(formData) });
const form = <Form schema={schema} validator={validator} onSubmit={save} showErrorList={false} noHtml5Validate />;
createRoot(document.querySelector("main")).render(form);
